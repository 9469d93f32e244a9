secret='{{ signing_secret|default:"whsec_…" }}'
id=$(date +%s)
body='{"specversion":"1.0","id":"'$id'","source":"/example","type":"com.houston.messaging.conversation.updated","data":{"conversationId":"example-'$id'","state":"OPEN","startTs":'$id'000,"updatedTs":'$id'000,"firstConversation":true,"participants":[{"id":"consumer-1","role":"CONSUMER"}]}}'
key=$(printf %s "${secret#whsec_}" | base64 -d | od -An -v -tx1 | tr -d ' \n')
signature=$(printf %s "$id.$id.$body" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$key -binary | base64)
curl -i '{{ webhook_url }}' \
  -H 'content-type: application/cloudevents+json' \
  -H "webhook-id: $id" -H "webhook-timestamp: $id" -H "webhook-signature: v1,$signature" \
  --data-binary "$body"
