secret='your client secret'
now=$(date +%s)
body='{"kind":"notification","type":"cqm.ExConversationChangeNotification","body":{"changes":[{"type":"UPSERT","result":{"convId":"example-'$now'","conversationDetails":{"state":"OPEN","startTs":'$now'000,"metaDataLastUpdateTs":'$now'000,"firstConversation":true,"participants":[{"id":"consumer-1","role":"CONSUMER"}],"dialogs":[{"dialogId":"example-'$now'","dialogType":"MAIN","channelType":"MESSAGING","state":"OPEN"}]}}}]}}'
signature=$(printf %s "$body" | openssl dgst -sha1 -hmac "$secret" -binary | base64)
curl -i '{{ webhook_url }}' \
  -H 'content-type: application/json' \
  -H 'x-liveperson-account-id: {{ connection.account_id }}' \
  -H 'x-liveperson-client-id: {{ connection.client_id }}' \
  -H "x-liveperson-signature: sha1=$signature" \
  --data-binary "$body"
