import type { Check } from './check.ts'
import { admissionPolicy, nodeRestriction } from './checks/admission.ts'
import { ceilings, roles } from './checks/ceilings.ts'
import {
  apiServer,
  clock,
  podCertificateApi,
  podCertificateVolumes,
  trustBundleApi,
} from './checks/cluster.ts'
import { droppedVolumes } from './checks/dropped-volumes.ts'
import { governanceKeys } from './checks/governance-keys.ts'
import { nodeImpersonators, requestCreators, signerRequesters } from './checks/holders.ts'
import { customResources } from './checks/custom-resources.ts'
import { handleKeys } from './checks/handle-keys.ts'
import { installation } from './checks/installation.ts'
import { kubelets } from './checks/kubelets.ts'
import { policyData } from './checks/policy-data.ts'
import { gateway, ledger, signer, upstreams } from './checks/programs.ts'
import { remoteSigners } from './checks/remote-signers.ts'
import { rights } from './checks/rights.ts'
import { signingRequests } from './checks/signing-requests.ts'
import { toolServers } from './checks/tool-servers.ts'
import { authority, gatewayName, trustBundle } from './checks/trust.ts'

/** Every check, in the order of the report: the cluster, who may do what in it, our programs, what is granted. */
export const checks: readonly Check[] = [
  apiServer,
  clock,
  podCertificateApi,
  podCertificateVolumes,
  trustBundleApi,
  kubelets,
  droppedVolumes,
  nodeRestriction,
  admissionPolicy,
  requestCreators,
  signerRequesters,
  nodeImpersonators,
  customResources,
  installation,
  rights,
  signer,
  remoteSigners,
  signingRequests,
  ledger,
  authority,
  trustBundle,
  gateway,
  gatewayName,
  handleKeys,
  upstreams,
  toolServers,
  policyData,
  governanceKeys,
  roles,
  ceilings,
]
