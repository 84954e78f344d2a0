import { requirement } from '../requirements.ts'
import { rotationSuite } from '../support/rotation-suite.ts'
import { startRealCluster } from '../support/real-cluster.ts'

requirement('signer.rotation-by-proof')

rotationSuite('rotation of the CA on a real kube-apiserver', () => startRealCluster({}))
