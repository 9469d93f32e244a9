# npm install --global liveperson-functions-cli
export NODE_OPTIONS="--require $PWD/houston.js"
lpf login --token "$token" --accountId {{ account.pk }} --userId {{ client.client_id }}
lpf get functions
