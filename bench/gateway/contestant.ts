/** A contestant in a process of its own: `node contestant.ts <role>`, told the rest by whoever started it, and ended with them. */
import { runForwarder } from './forwarder.ts'
import { runGateway } from './product.ts'
import { runInline } from './inline.ts'
import { runSdkObjects } from './sdk-objects.ts'
import type { Setting } from './contest.ts'

const roles = {
  gateway: runGateway,
  inline: runInline,
  forwarder: runForwarder,
  'sdk-objects': runSdkObjects,
}

const role = process.argv[2]
if (role === undefined || !Object.hasOwn(roles, role)) throw new Error(`no such role: ${role}`)

process.once('message', (setting: Setting) => {
  void roles[role as keyof typeof roles](setting).then((running) => {
    process.once('message', () => process.disconnect())
    process.once('disconnect', () => void running.close())
    process.send?.(running.port)
  })
})
