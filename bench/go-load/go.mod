module countersign.dev/bench/go-load

go 1.26
