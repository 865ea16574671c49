#!/bin/sh
# A certificate for the names of this example, good for 30 days and trusted by nobody but this plan.
set -eu
cd "$(dirname "$0")"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -keyout edge.key -out edge.pem \
    -subj "/CN=mainstay example" -addext "subjectAltName=DNS:auth.localhost,DNS:api.localhost" \
    -addext "basicConstraints=critical,CA:FALSE"
