package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	certificates "k8s.io/api/certificates/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// As many as the signer that it is compared with works on at once.
const workers = 64

type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// sign answers every request of one signer name: an informer, a signature, one write. It looks at no evidence, keeps no record, and has no limit.
func sign(kubeconfig, signerName, certificateFile, keyFile string) error {
	client, err := connect(kubeconfig, "bench-peer")
	if err != nil {
		return err
	}
	ca, err := readAuthority(certificateFile, keyFile)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	queue := workqueue.NewTyped[string]()
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0,
		informers.WithTweakListOptions(func(options *metav1.ListOptions) {
			options.FieldSelector = "spec.signerName=" + signerName
		}))
	requests := factory.Certificates().V1().PodCertificateRequests()
	add := func(object any) {
		if request := object.(*certificates.PodCertificateRequest); len(request.Status.Conditions) == 0 {
			queue.Add(request.Namespace + "/" + request.Name)
		}
	}
	informer := requests.Informer()
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    add,
		UpdateFunc: func(_, object any) { add(object) },
	}); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for range workers {
		go func() {
			for {
				key, ended := queue.Get()
				if ended {
					return
				}
				namespace, name, _ := cache.SplitMetaNamespaceKey(key)
				request, err := requests.Lister().PodCertificateRequests(namespace).Get(name)
				if err == nil && len(request.Status.Conditions) == 0 {
					if err := ca.answer(ctx, client, request.DeepCopy()); err != nil {
						fmt.Fprintln(os.Stderr, "client-go:", key, err)
					}
				}
				queue.Done(key)
			}
		}()
	}
	fmt.Println("ready")
	<-ctx.Done()
	queue.ShutDown()
	return nil
}

func (ca *authority) answer(ctx context.Context, client *kubernetes.Clientset, request *certificates.PodCertificateRequest) error {
	csr, err := x509.ParseCertificateRequest(request.Spec.StubPKCS10Request)
	if err != nil {
		return err
	}
	notBefore := time.Now().UTC().Truncate(time.Second).Add(-90 * time.Second)
	notAfter := notBefore.Add(time.Duration(*request.Spec.MaxExpirationSeconds) * time.Second)
	uri := &url.URL{Scheme: "spiffe", Host: "storm.example", Path: "/ns/" + request.Namespace + "/sa/" + request.Spec.ServiceAccountName}
	serial := make([]byte, 16)
	if _, err := rand.Read(serial); err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber:          new(big.Int).SetBytes(serial),
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		URIs:                  []*url.URL{uri},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, csr.PublicKey, ca.key)
	if err != nil {
		return err
	}
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	refresh := metav1.NewTime(notBefore.Add(notAfter.Sub(notBefore) / 2).Truncate(time.Second))
	begin, end := metav1.NewTime(notBefore), metav1.NewTime(notAfter)
	request.Status = certificates.PodCertificateRequestStatus{
		Conditions: []metav1.Condition{{
			Type: "Issued", Status: metav1.ConditionTrue, Reason: "Issued", Message: "issued",
			LastTransitionTime: metav1.Now(),
		}},
		CertificateChain: string(chain),
		NotBefore:        &begin,
		BeginRefreshAt:   &refresh,
		NotAfter:         &end,
	}
	_, err = client.CertificatesV1().PodCertificateRequests(request.Namespace).UpdateStatus(ctx, request, metav1.UpdateOptions{})
	return err
}

func readAuthority(certificateFile, keyFile string) (*authority, error) {
	certificate, err := readBlock(certificateFile)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(certificate)
	if err != nil {
		return nil, err
	}
	octets, err := readBlock(keyFile)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(octets)
	if err != nil {
		return nil, err
	}
	return &authority{certificate: parsed, key: key.(crypto.Signer)}, nil
}

func readBlock(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM", file)
	}
	return block.Bytes, nil
}
