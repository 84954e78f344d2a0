module countersign.dev/test/x509-verify

go 1.26
