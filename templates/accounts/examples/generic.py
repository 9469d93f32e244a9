import base64, hashlib, hmac, json, time, urllib.request

secret = "{{ signing_secret|default:"whsec_…" }}"
now = int(time.time())
body = json.dumps({
    "specversion": "1.0",
    "id": str(now),
    "source": "/example",
    "type": "com.houston.messaging.conversation.updated",
    "data": {
        "conversationId": f"example-{now}",
        "state": "OPEN",
        "startTs": now * 1000,
        "updatedTs": now * 1000,
        "firstConversation": True,
        "participants": [{"id": "consumer-1", "role": "CONSUMER"}],
    },
})
key = base64.b64decode(secret.removeprefix("whsec_"))
digest = hmac.new(key, f"{now}.{now}.{body}".encode(), hashlib.sha256).digest()
request = urllib.request.Request(
    "{{ webhook_url }}",
    data=body.encode(),
    headers={
        "content-type": "application/cloudevents+json",
        "webhook-id": str(now),
        "webhook-timestamp": str(now),
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    },
)
print(urllib.request.urlopen(request).read().decode())
