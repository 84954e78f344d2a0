module countersign.dev/bench/go-sign

go 1.24
