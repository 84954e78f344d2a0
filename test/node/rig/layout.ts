/** Where the things of a node stand, and the addresses inside of its namespaces: no other machine has them. */
import { join } from 'node:path'

export const nodeName = 'node-a'
export const nodeAddress = '172.30.0.1'
export const podRange = '10.244.0.0/24'
export const serviceRange = '10.96.0.0/16'
export const apiServerServiceAddress = '10.96.0.1'
export const dnsServiceAddress = '10.96.0.10'
export const apiServerUrl: string = `https://${nodeAddress}:6443`
export const clusterDomain = 'cluster.local'
export const storageClass = 'node-local'
export const containerdSocket = '/run/containerd/containerd.sock'

export interface Layout {
  readonly folder: string
  /** Links to every program. */
  readonly bin: string
  readonly configuration: string
  readonly keys: string
  readonly logs: string
  /** The folders of the persistent volumes. */
  readonly volumes: string
  readonly kubelet: string
  readonly volumePlugins: string
  /** What the node knows as `/var/log`: kubelet has the path of the containers' logs fixed. */
  readonly podLogs: string
  readonly home: string
  readonly temporary: string
  readonly adminKubeconfig: string
  /** The name of its control groups. */
  readonly controlGroup: string
}

export function layOut(folder: string, controlGroup: string): Layout {
  return {
    folder,
    bin: join(folder, 'bin'),
    configuration: join(folder, 'configuration'),
    keys: join(folder, 'keys'),
    logs: join(folder, 'logs'),
    volumes: join(folder, 'volumes'),
    kubelet: join(folder, 'kubelet'),
    volumePlugins: join(folder, 'kubelet', 'volume-plugins'),
    podLogs: join(folder, 'pod-logs'),
    home: join(folder, 'home'),
    temporary: join(folder, 'temporary'),
    adminKubeconfig: join(folder, 'keys', 'admin.kubeconfig'),
    controlGroup,
  }
}
