#!/bin/sh
# Makes a certificate for the host names of this example, valid for 30 days, trusted by this configuration only.
set -eu
cd "$(dirname "$0")"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -keyout edge.key -out edge.pem \
    -subj "/CN=mainstay example" -addext "subjectAltName=DNS:auth.localhost,DNS:api.localhost" \
    -addext "basicConstraints=critical,CA:FALSE"
