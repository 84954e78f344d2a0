import { startEmbeddedCluster } from '../../dev/embedded-cluster.ts'
import { storySuite } from '../support/story-suite.ts'

storySuite('the story on the embedded control plane', (runner, folder) =>
  startEmbeddedCluster({
    folder,
    runContainer: (pod, volumes, signal) => runner.run(pod, volumes, signal),
  }),
)
