import { startEmbeddedCluster } from '../../../dev/embedded-cluster.ts'
import { requirement } from '../../requirements.ts'
import { rotationSuite } from '../../support/rotation-suite.ts'

requirement('signer.rotation-by-proof')

rotationSuite('rotation of the CA on the embedded control plane', (folder) =>
  startEmbeddedCluster({ folder, nodeNames: [] }),
)
