import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Running, Setting } from './contest.ts'

/** The folder of one worker, below that of them all. */
export function folderOfWorker(folder: string, number: number): string {
  return join(folder, `worker-${number}`)
}

/** So many gateways behind one port, as the product runs them: a primary that hands connections out in turn. */
export async function runWorkers(setting: Setting, count: number): Promise<Running> {
  cluster.schedulingPolicy = cluster.SCHED_RR
  cluster.setupPrimary({ exec: setting.program, args: ['gateway'] })
  const workers: Worker[] = []
  let port = 0
  for (let number = 1; number <= count; number += 1) {
    const folder = folderOfWorker(setting.folder, number)
    mkdirSync(folder, { recursive: true })
    const worker = cluster.fork()
    workers.push(worker)
    worker.send({ ...setting, folder })
    ;[port] = (await once(worker, 'message')) as [number]
  }
  return {
    port,
    async close() {
      const exits = workers.map((worker) => once(worker, 'exit'))
      for (const worker of workers) worker.send('close')
      await Promise.all(exits)
    },
  }
}
