import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { cgroupVersion } from './cgroups.ts'
import {
  clusterDomain,
  containerdSocket,
  dnsServiceAddress,
  nodeAddress,
  nodeName,
  podRange,
  type Layout,
} from './layout.ts'

function networkConfiguration(): object {
  const range = { ranges: [[{ subnet: podRange }]], routes: [{ dst: '0.0.0.0/0' }] }
  return {
    cniVersion: '1.0.0',
    name: 'node',
    plugins: [
      {
        type: 'ptp',
        ipMasq: false,
        // In /run: a reboot forgets which pod had which address.
        ipam: { type: 'host-local', dataDir: '/run/cni', ...range },
      },
    ],
  }
}

function containerdConfiguration(layout: Layout, sandboxImage: string): string {
  const runtime = 'plugins."io.containerd.cri.v1.runtime"'
  const images = 'plugins."io.containerd.cri.v1.images"'
  return `version = 3
root = "${join(layout.folder, 'containerd')}"
state = "/run/containerd"
[grpc]
  address = "${containerdSocket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${join(layout.folder, 'opt')}"
[${images}]
  snapshotter = "overlayfs"
[${images}.pinned_images]
  sandbox = "${sandboxImage}"
[${runtime}]
  # Without CAP_SYS_RESOURCE no process may be made less likely to be ended.
  restrict_oom_score_adj = true
[${runtime}.cni]
  bin_dirs = ["${layout.bin}"]
  conf_dir = "${join(layout.configuration, 'network')}"
[${runtime}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[${runtime}.containerd.runtimes.runc.options]
  BinaryName = "${join(layout.bin, 'runc')}"
  SystemdCgroup = false
`
}

function kubeletConfiguration(layout: Layout): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: nodeAddress,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: join(layout.keys, 'ca.pem') },
    },
    authorization: { mode: 'Webhook' },
    ...(cgroupVersion === 1 ? { failCgroupV1: false } : {}),
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${layout.controlGroup}`,
    protectKernelDefaults: true,
    oomScoreAdj: 0,
    makeIPTablesUtilChains: false,
    // The disk is the machine's: what others keep there is no reason to throw out our images.
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    evictionHard: {
      'memory.available': '100Mi',
      'nodefs.available': '1%',
      'nodefs.inodesFree': '1%',
      'imagefs.available': '1%',
    },
    clusterDNS: [dnsServiceAddress],
    clusterDomain,
    resolvConf: join(layout.configuration, 'resolv.conf'),
    containerRuntimeEndpoint: `unix://${containerdSocket}`,
    podLogsDir: '/var/log/pods',
    volumePluginDir: layout.volumePlugins,
    failSwapOn: false,
  }
}

function proxyConfiguration(layout: Layout): object {
  const none = '0s'
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    hostnameOverride: nodeName,
    bindAddress: nodeAddress,
    clientConnection: { kubeconfig: join(layout.keys, 'kube-proxy.kubeconfig') },
    nodePortAddresses: ['primary'],
    // Any other value is written to settings that are the whole machine's.
    conntrack: {
      maxPerCore: 0,
      min: 0,
      tcpEstablishedTimeout: none,
      tcpCloseWaitTimeout: none,
      udpTimeout: none,
      udpStreamTimeout: none,
    },
  }
}

export async function writeConfiguration(layout: Layout, sandboxImage: string): Promise<void> {
  const write = (name: string, text: string): Promise<void> =>
    writeFile(join(layout.configuration, name), text)
  await write('network/10-ptp.conflist', JSON.stringify(networkConfiguration()))
  await write('containerd.toml', containerdConfiguration(layout, sandboxImage))
  await write('kubelet.yaml', stringify(kubeletConfiguration(layout)))
  await write('kube-proxy.yaml', stringify(proxyConfiguration(layout)))
  // What the cluster's DNS would ask further: names outside of the cluster have no answer here.
  await write('resolv.conf', '')
  // What runs on the node itself resolves Services as a pod does.
  const search = `search svc.${clusterDomain} ${clusterDomain}`
  await write('node-resolv.conf', `nameserver ${dnsServiceAddress}\n${search}\n`)
}
