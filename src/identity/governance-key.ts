/** The governance annotations: what a workload may ask for beside its name. */
export const annotationKeys = {
  role: 'countersign.dev/role',
  tenant: 'countersign.dev/tenant',
  models: 'countersign.dev/models',
  toolScopes: 'countersign.dev/tool-scopes',
} as const

/** The pod annotation that names the signer which the pod itself may ask, by CertificateSigningRequests with the pod's governance annotations. */
export const signingRequestsKey = 'countersign.dev/certificate-signing-requests'

/** The annotation of a CertificateSigningRequest that names the IssuedCertificate and the service account which an agent asks for. */
export const issuedCertificateKey = 'countersign.dev/issued-certificate'

/** The namespace labels that grant, as in `roles.countersign.dev/<role>: allow`; models by slug, tools by server and the tenants of claims likewise. */
export const grantLabelPrefixes = {
  roles: 'roles.countersign.dev/',
  models: 'models.countersign.dev/',
  tools: 'tools.countersign.dev/',
  tenants: 'tenants.countersign.dev/',
} as const

/** Whether a label or an annotation is one of these, or would be taken for one. */
export function isGovernanceKey(key: string): boolean {
  return /^(?:[a-z]+\.)?countersign\.dev\//.test(key)
}

/** Whether it says of a claim whom it gives pods to: no other label of one is kept, since whoever makes claims makes those, too. */
export function isClaimLabel(key: string): boolean {
  return key === annotationKeys.tenant
}
