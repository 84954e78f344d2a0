/** The spec of a pod of the service account `worker` whose volume asks for a certificate, bound to its node without a scheduler. */
export function specOfAskingPod(
  node: string,
  asked: {
    readonly signerName: string
    readonly userAnnotations?: Readonly<Record<string, string>>
  },
): object {
  const podCertificate = {
    keyType: 'ECDSAP256',
    maxExpirationSeconds: 3600,
    credentialBundlePath: 'credential-bundle.pem',
    ...asked,
  }
  return {
    nodeName: node,
    serviceAccountName: 'worker',
    automountServiceAccountToken: false,
    containers: [{ name: 'main', image: 'example.invalid/main' }],
    volumes: [{ name: 'identity', projected: { sources: [{ podCertificate }] } }],
  }
}
