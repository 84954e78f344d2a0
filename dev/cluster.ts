/** A control plane that the story and the tests run on: embedded or real. */
export interface Cluster {
  readonly kind: 'embedded' | 'real'
  /** https://127.0.0.1:<port> */
  readonly server: string
  /** PEM file, the API server's serving CA. */
  readonly caFile: string
  /** Path, 0600, user in system:masters. */
  readonly adminKubeconfig: string
  /** Nodes that run a kubelet. */
  readonly nodeNames: readonly string[]
  /** A kubeconfig (path, 0600) with a fresh client certificate for this user. */
  kubeconfigFor(user: { name: string; groups: readonly string[] }): Promise<string>
  /** The folder where the node's kubelet writes this projected volume, once it exists. */
  volumeFolder(podUid: string, volumeName: string): Promise<string | undefined>
  [Symbol.asyncDispose](): Promise<void>
}
