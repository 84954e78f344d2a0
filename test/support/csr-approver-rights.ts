import { signerName } from '../signer/asked.ts'

/** What the chart gives whoever is bound to `countersign-csr-approver`: what proves a request, and the right to approve for one signer. */
export const csrApproverRules: readonly object[] = [
  {
    apiGroups: ['certificates.k8s.io'],
    resources: ['certificatesigningrequests'],
    verbs: ['get', 'list', 'watch'],
  },
  {
    apiGroups: ['certificates.k8s.io'],
    resources: ['certificatesigningrequests/approval'],
    verbs: ['patch'],
  },
  {
    apiGroups: ['certificates.k8s.io'],
    resources: ['signers'],
    resourceNames: [signerName],
    verbs: ['approve'],
  },
  {
    apiGroups: [''],
    resources: ['pods', 'namespaces', 'serviceaccounts', 'nodes'],
    verbs: ['get'],
  },
  { apiGroups: [''], resources: ['services'], verbs: ['list'] },
]
