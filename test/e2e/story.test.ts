import { join } from 'node:path'
import { startEmbeddedCluster } from '../../dev/embedded-cluster.ts'
import { storySuite } from '../support/story-suite.ts'

const program = join(import.meta.dirname, '../support/own-server.ts')

storySuite(
  'the story on the embedded control plane',
  (runner, folder) =>
    startEmbeddedCluster({
      folder,
      runContainer: (pod, volumes, signal) => runner.run(pod, volumes, signal),
    }),
  {
    upstream: { kind: 'command', program: process.execPath, words: [program, 'legacy', 'stdio'] },
    tools: [{ name: 'echo', sample: { words: 'hello' } }],
  },
)
