// Command kubemark is upstream's hollow kubelet with its HTTP server off and its files in a folder
// of the caller's choice. Upstream's own command of that name serves the kubelet's API on every
// interface, in clear and to whoever asks, and leaves the pods' private keys under /tmp.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	cri "k8s.io/cri-client/pkg"
	fakecri "k8s.io/cri-client/pkg/fake"
	cadvisor "k8s.io/kubernetes/pkg/kubelet/cadvisor/testing"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	"k8s.io/kubernetes/pkg/kubemark"
)

func main() {
	name := flag.String("name", "", "name of the node")
	kubeconfig := flag.String("kubeconfig", "", "kubeconfig of the node's user")
	root := flag.String("root", "", "folder for pods and sockets")
	flag.Parse()
	if err := run(context.Background(), *name, *kubeconfig, *root); err != nil {
		fmt.Fprintln(os.Stderr, "kubemark: error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, name, kubeconfig, root string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	// The real kubelet's defaults; client-go's own would slow a burst of pods down.
	config.QPS, config.Burst = 50, 100
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}

	if err := os.MkdirAll(root, 0o700); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	endpoint := "unix://" + filepath.Join(root, "runtime.sock")
	runtime := fakecri.NewFakeRemoteRuntime()
	if err := runtime.Start(endpoint); err != nil {
		return fmt.Errorf("container runtime: %w", err)
	}
	defer runtime.Stop()
	runtimeService, err := cri.NewRemoteRuntimeServiceBuilder().
		WithEndpoint(endpoint).
		WithConnectionTimeout(15 * time.Second).
		Build(ctx)
	if err != nil {
		return fmt.Errorf("container runtime client: %w", err)
	}

	options := &kubemark.HollowKubeletOptions{NodeName: name, MaxPods: 110}
	flags, settings := kubemark.GetHollowKubeletConfig(options)
	if err := os.RemoveAll(flags.RootDirectory); err != nil {
		return fmt.Errorf("upstream's root: %w", err)
	}
	flags.RootDirectory = root
	settings.PodLogsDir = filepath.Join(root, "pod-logs")
	settings.StaticPodPath = ""
	settings.EnableServer = false
	kubemark.NewHollowKubelet(
		flags,
		settings,
		client,
		client,
		&cadvisor.Fake{NodeName: name},
		runtime.ImageService,
		runtimeService,
		cm.NewStubContainerManager(),
	).Run(ctx)
	return nil
}
