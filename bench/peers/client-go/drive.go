package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	certificates "k8s.io/api/certificates/v1"
	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// Writes that the driver has on their way at once.
const writers = 32

const (
	namespaceCount = 20
	nodeCount      = 10
)

// An order is one line of standard input, and is answered by one line.
type order struct {
	// "pods", "create", "await" or "clear".
	Do string `json:"do"`
	// Of "pods": whose volumes a pod has.
	SignerNames []string `json:"signerNames"`
	// Of the others.
	SignerName string `json:"signerName"`
	Count      int    `json:"count"`
	// As many a second; 0 is as fast as the API server takes them.
	PerSecond float64 `json:"perSecond"`
	// How long "await" waits.
	Seconds float64 `json:"seconds"`
}

type answer struct {
	Done int `json:"done"`
	// Of "create": from the first to the last; of "await": from the order to the last answer.
	Seconds float64 `json:"seconds"`
	// From just before a request was sent to its answer as the driver's watch told it, sorted.
	Milliseconds []float64 `json:"milliseconds,omitempty"`
	// Conditions other than Issued.
	Others []string `json:"others,omitempty"`
}

type pod struct {
	namespace, name, node string
	uid                   types.UID
}

type driver struct {
	client   *kubernetes.Clientset
	pods     []pod
	accounts map[string]types.UID
	nodes    map[string]types.UID

	mutex sync.Mutex
	// By the request's name.
	sent    map[string]time.Time
	told    map[string]time.Duration
	others  []string
	changed chan struct{}
}

func drive(kubeconfig string) error {
	client, err := connect(kubeconfig, "bench-driver")
	if err != nil {
		return err
	}
	d := &driver{
		client: client, accounts: map[string]types.UID{}, nodes: map[string]types.UID{},
		sent: map[string]time.Time{}, told: map[string]time.Duration{}, changed: make(chan struct{}, 1),
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if err := d.watch(ctx); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return err
		}
		said, err := d.obey(ctx, o)
		if err != nil {
			return fmt.Errorf("%s: %w", o.Do, err)
		}
		if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (d *driver) obey(ctx context.Context, o order) (answer, error) {
	switch o.Do {
	case "pods":
		return d.makePods(ctx, o)
	case "create":
		return d.create(ctx, o)
	case "await":
		return d.await(o), nil
	case "clear":
		return d.clear(ctx)
	}
	return answer{}, fmt.Errorf("no such order")
}

// watch notes when a request gets its condition.
func (d *driver) watch(ctx context.Context) error {
	informer := informers.NewSharedInformerFactory(d.client, 0).Certificates().V1().PodCertificateRequests().Informer()
	// The driver needs no more of an object than its name and condition, which is what its own memory and the collector's work come from.
	if err := informer.SetTransform(func(object any) (any, error) {
		if request, ok := object.(*certificates.PodCertificateRequest); ok {
			kept := &certificates.PodCertificateRequest{ObjectMeta: metav1.ObjectMeta{Name: request.Name, Namespace: request.Namespace, UID: request.UID, ResourceVersion: request.ResourceVersion}}
			kept.Status.Conditions = request.Status.Conditions
			return kept, nil
		}
		return object, nil
	}); err != nil {
		return err
	}
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    d.see,
		UpdateFunc: func(_, object any) { d.see(object) },
	}); err != nil {
		return err
	}
	go informer.Run(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return fmt.Errorf("requests are not watched")
	}
	return nil
}

func (d *driver) see(object any) {
	request := object.(*certificates.PodCertificateRequest)
	if len(request.Status.Conditions) == 0 {
		return
	}
	now := time.Now()
	d.mutex.Lock()
	defer d.mutex.Unlock()
	begun, asked := d.sent[request.Name]
	if _, known := d.told[request.Name]; !asked || known {
		return
	}
	d.told[request.Name] = now.Sub(begun)
	if condition := request.Status.Conditions[0]; condition.Type != "Issued" {
		d.others = append(d.others, condition.Type+" "+condition.Reason+": "+condition.Message)
	}
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// makePods makes pods that are bound to nodes which no kubelet looks after, spread over namespaces and nodes.
func (d *driver) makePods(ctx context.Context, o order) (answer, error) {
	begin := time.Now()
	for number := range nodeCount {
		name := fmt.Sprintf("storm-%d", number)
		node, err := d.client.CoreV1().Nodes().Create(ctx, &core.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		if err != nil {
			return answer{}, err
		}
		d.nodes[name] = node.UID
	}
	for number := range namespaceCount {
		name := fmt.Sprintf("storm-%d", number)
		if _, err := d.client.CoreV1().Namespaces().Create(ctx, &core.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
			return answer{}, err
		}
		account, err := d.client.CoreV1().ServiceAccounts(name).Create(ctx, &core.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "worker"}}, metav1.CreateOptions{})
		if err != nil {
			return answer{}, err
		}
		d.accounts[name] = account.UID
	}
	d.pods = make([]pod, o.Count)
	err := inParallel(o.Count, func(number int) error {
		at := pod{
			namespace: fmt.Sprintf("storm-%d", number%namespaceCount),
			name:      fmt.Sprintf("pod-%d", number),
			node:      fmt.Sprintf("storm-%d", number%nodeCount),
		}
		made, err := d.client.CoreV1().Pods(at.namespace).Create(ctx, podOf(at, o.SignerNames), metav1.CreateOptions{})
		if err != nil {
			return err
		}
		at.uid = made.UID
		d.pods[number] = at
		return nil
	})
	return answer{Done: o.Count, Seconds: time.Since(begin).Seconds()}, err
}

func podOf(at pod, signerNames []string) *core.Pod {
	seconds := int32(3600)
	without := false
	volumes := make([]core.Volume, len(signerNames))
	for index, signerName := range signerNames {
		volumes[index] = core.Volume{
			Name: fmt.Sprintf("identity-%d", index),
			VolumeSource: core.VolumeSource{Projected: &core.ProjectedVolumeSource{Sources: []core.VolumeProjection{{
				PodCertificate: &core.PodCertificateProjection{
					SignerName: signerName, KeyType: "ECDSAP256", MaxExpirationSeconds: &seconds, CredentialBundlePath: "credentials.pem",
				},
			}}}},
		}
	}
	return &core.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: at.name},
		Spec: core.PodSpec{
			NodeName:                     at.node,
			ServiceAccountName:           "worker",
			AutomountServiceAccountToken: &without,
			Containers:                   []core.Container{{Name: "main", Image: "example.invalid/main"}},
			Volumes:                      volumes,
		},
	}
}

// create makes the keys first, so that they cost nothing while it counts.
func (d *driver) create(ctx context.Context, o order) (answer, error) {
	csrs := make([][]byte, o.Count)
	for number := range csrs {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return answer{}, err
		}
		if csrs[number], err = x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key); err != nil {
			return answer{}, err
		}
	}
	round := fmt.Sprintf("%x", time.Now().UnixNano())
	begin := time.Now()
	send := func(number int) error {
		at := d.pods[number%len(d.pods)]
		name := fmt.Sprintf("req-%s-%d", round, number)
		d.mutex.Lock()
		d.sent[name] = time.Now()
		d.mutex.Unlock()
		_, err := d.client.CertificatesV1().PodCertificateRequests(at.namespace).Create(ctx, d.requestOf(name, at, o.SignerName, csrs[number]), metav1.CreateOptions{})
		return err
	}
	var err error
	if o.PerSecond == 0 {
		err = inParallel(o.Count, send)
	} else {
		err = atPace(o.Count, o.PerSecond, send)
	}
	return answer{Done: o.Count, Seconds: time.Since(begin).Seconds()}, err
}

func (d *driver) requestOf(name string, at pod, signerName string, csr []byte) *certificates.PodCertificateRequest {
	seconds := int32(3600)
	return &certificates.PodCertificateRequest{
		ObjectMeta: metav1.ObjectMeta{
			Name:            name,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: at.name, UID: at.uid}},
		},
		Spec: certificates.PodCertificateRequestSpec{
			SignerName: signerName, PodName: at.name, PodUID: at.uid,
			ServiceAccountName: "worker", ServiceAccountUID: d.accounts[at.namespace],
			NodeName: types.NodeName(at.node), NodeUID: d.nodes[at.node],
			MaxExpirationSeconds: &seconds, StubPKCS10Request: csr,
		},
	}
}

// await gives what was told by the time that all are answered, or that the time is over.
func (d *driver) await(o order) answer {
	begin := time.Now()
	over := time.After(time.Duration(o.Seconds * float64(time.Second)))
	for {
		d.mutex.Lock()
		done := len(d.told)
		d.mutex.Unlock()
		if done >= o.Count {
			break
		}
		select {
		case <-d.changed:
			continue
		case <-over:
		}
		break
	}
	said := answer{Seconds: time.Since(begin).Seconds()}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	said.Done, said.Others = len(d.told), d.others[:min(3, len(d.others))]
	for _, each := range d.told {
		said.Milliseconds = append(said.Milliseconds, float64(each.Microseconds())/1000)
	}
	slices.Sort(said.Milliseconds)
	return said
}

// clear removes all requests, and forgets them.
func (d *driver) clear(ctx context.Context) (answer, error) {
	begin := time.Now()
	for number := range namespaceCount {
		namespace := fmt.Sprintf("storm-%d", number)
		requests := d.client.CertificatesV1().PodCertificateRequests(namespace)
		if err := requests.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
			return answer{}, err
		}
		if err := d.client.CoreV1().Events(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
			return answer{}, err
		}
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	done := len(d.sent)
	d.sent, d.told, d.others = map[string]time.Time{}, map[string]time.Duration{}, nil
	return answer{Done: done, Seconds: time.Since(begin).Seconds()}, nil
}

func atPace(count int, perSecond float64, work func(number int) error) error {
	begin := time.Now()
	failures := make(chan error, count)
	for number := range count {
		time.Sleep(time.Until(begin.Add(time.Duration(float64(number) / perSecond * float64(time.Second)))))
		go func() { failures <- work(number) }()
	}
	return first(failures, count)
}

func inParallel(count int, work func(number int) error) error {
	numbers := make(chan int)
	failures := make(chan error, count)
	for range writers {
		go func() {
			for number := range numbers {
				failures <- work(number)
			}
		}()
	}
	for number := range count {
		numbers <- number
	}
	close(numbers)
	return first(failures, count)
}

func first(failures <-chan error, count int) error {
	var said []string
	for range count {
		if err := <-failures; err != nil && len(said) < 3 {
			said = append(said, err.Error())
		}
	}
	if len(said) == 0 {
		return nil
	}
	return fmt.Errorf("%s", strings.Join(said, "; "))
}
