/** A process with a node: it says where, as soon as it is switched on, and ends only when it is ended. */
import { startNode } from './node.ts'

await using node = await startNode({
  onSwitchedOn: ({ folder, controlGroup }) => {
    process.stdout.write(`${JSON.stringify({ folder, controlGroup })}\n`)
  },
})
await node.kubectl('get nodes --watch')
