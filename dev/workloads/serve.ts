import { createServer } from 'node:https'
import {
  requireCountersign,
  type RequireCountersignOptions,
  type VerifiedListener,
} from '../../src/toolserver/require-countersign.ts'
import { setting, workloadEnvironment } from './environment.ts'

/** Serves verified requests on 127.0.0.1, at the port that the pod's spec gives, until SIGTERM or the end of standard input. */
export async function serve(
  listener: VerifiedListener,
  options: Partial<RequireCountersignOptions> = {},
): Promise<void> {
  const countersign = await requireCountersign({
    ...workloadEnvironment(),
    production: false,
    ...options,
  })
  const server = createServer(countersign.tlsOptions, countersign.guard(listener))
  countersign.attach(server)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(Number(setting('PORT')), '127.0.0.1', resolve)
  })
  process.stdout.write(`${JSON.stringify({ listening: setting('PORT') })}\n`)
  const stop = (): void => {
    // One gateway and no balancer: nobody has to learn first that this ends.
    void countersign.close({ graceSeconds: 0 }).then(() => countersign[Symbol.asyncDispose]())
    process.stdin.destroy()
  }
  process.once('SIGTERM', stop)
  // Whoever started this pod holds the other end: it ends with them.
  process.stdin.resume().once('end', stop)
}
