#!/bin/sh
# Makes the keys and passwords that compose.yaml reads, once: those that are there stay.
set -eu
cd "$(dirname "$0")"
mkdir -p -m 700 secrets
cd secrets
# The folder keeps others out. The files are read by the user of the containers, who is another one.
umask 022

keep() {
    [ -s "$1" ] || printf %s "$2" > "$1"
}

random() {
    openssl rand -base64 "$1" | tr '+/' '-_' | tr -d '\n'
}

keep secret_key "$(random 48)"
keep encryption_keys "$(random 32)"
keep metrics_token "$(random 24)"
keep database_password "$(openssl rand -hex 16)"
keep database_url "postgres://houston:$(cat database_password)@postgres/houston"
