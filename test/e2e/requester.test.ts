import { startEmbeddedCluster } from '../../dev/embedded-cluster.ts'
import { requirement } from '../requirements.ts'
import { requesterSuite } from '../support/requester-suite.ts'

requirement('signer.requester-shown-by-policy')
requesterSuite('who made a request, on the embedded control plane', (folder) =>
  startEmbeddedCluster({ folder, nodeNames: [] }),
)
