{% if connection.signs %}secret='your secret of the webhook'
{% endif %}now=$(date +%s)
body='{"event":"conversation_created","id":'$now',"status":"open","priority":null,"channel":"Channel::WebWidget","meta":{"sender":{"id":1,"name":"Ada","type":"contact"},"assignee":null,"team":null},"timestamp":'$now',"created_at":'$now',"updated_at":'$now'}'
{% if connection.signs %}signature=$(printf %s "$now.$body" | openssl dgst -sha256 -hmac "$secret" -hex | sed 's/^.* //')
{% endif %}curl -i '{{ webhook_url }}' \
  -H 'content-type: application/json' \
{% if connection.signs %}  -H "x-chatwoot-timestamp: $now" \
  -H "x-chatwoot-signature: sha256=$signature" \
{% endif %}  --data-binary "$body"
