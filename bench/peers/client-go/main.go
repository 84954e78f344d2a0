// Command client-go is what bench/storm.ts compares the signer with, and what it asks both with: `sign` is the plainest signer that client-go makes
// easy, `drive` makes the pods and the requests and sees when they are answered. Go drives, because a load generator in Node would
// take more of the machine than what it measures.
package main

import (
	"fmt"
	"os"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "client-go:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 5 && args[0] == "sign":
		return sign(args[1], args[2], args[3], args[4])
	case len(args) == 2 && args[0] == "drive":
		return drive(args[1])
	}
	return fmt.Errorf("want=sign KUBECONFIG SIGNER CERTIFICATE KEY, or drive KUBECONFIG got=%q", args)
}

// connect gives a client that leaves the pace to the API server.
func connect(kubeconfig, userAgent string) (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	config.UserAgent = userAgent
	return kubernetes.NewForConfig(config)
}
