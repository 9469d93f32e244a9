client_id='{{ client.client_id }}'
client_secret='{{ secret|default:"…" }}'
token=$(curl -sS '{{ url }}/sentinel/api/account/{{ account.pk }}/app/token' \
  -d grant_type=client_credentials -d "client_id=$client_id" -d "client_secret=$client_secret" |
  sed -n -e 's/.*"access_token": *"\([^"]*\)".*/\1/p' -e t -e 'w /dev/stderr')
{% if invoked %}# Runs {{ invoked.function_name }}
curl -i '{{ url }}/api/account/{{ account.pk }}/lambdas/{{ invoked.function_id }}/invoke?v=1&externalSystem=curl' \
  -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
  -d {{ body }}{% else %}# {% if may_invoke %}No function is deployed, so nothing can be run yet: this lists functions{% else %}This client may run no function: this lists them{% endif %}
curl -i '{{ url }}/api/account/{{ account.pk }}/functions' -H "Authorization: Bearer $token"{% endif %}
