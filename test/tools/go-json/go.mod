module countersign.dev/test/go-json

go 1.26
