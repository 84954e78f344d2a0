/** A gateway that is killed while it writes and sends, again and again. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { openCollector, refuse, take } from './collector.ts'
import { openFolder } from './folder.ts'

const policy = new URL('../../../src/policy/', import.meta.url).href

/** Says of each event when it is durable: from then on nobody may lose it. */
function programOf(file: string, url: string, life: number): string {
  return `
    import { openEventFile } from '${policy}event-file.ts'
    import { openUpload } from '${policy}upload/upload.ts'
    import { silentLog as log } from '${policy}../log.ts'
    import { silentMetrics as metrics } from '${policy}../metrics.ts'
    const file = ${JSON.stringify(file)}
    const reporting = { minDelaySeconds: 0.005, maxDelaySeconds: 0.01, uploadSizeLimitBytes: 1024 }
    const target = { url: '${url}', resource: 'logs', responseHeaderTimeoutSeconds: 10, reporting }
    const upload = await openUpload(target, { file, log, metrics })
    const { moveAside } = upload
    const rotation = { fileBytesMax: 4096, files: 3 }
    const events = await openEventFile({ file, rotation, moveAside, bufferOctetsMax: 65536, log })
    upload.start()
    for (let number = 0; ; number += 1) {
      const id = '${life}-' + number
      events.append(JSON.stringify({ decision_id: id, text: 'x'.repeat(number % 300) }))
      await events.flush().then(() => process.stdout.write(id + '\\n'), () => {})
      await new Promise(setImmediate)
    }`
}

/** Lets it live until so many events are durable, and kills it, whatever it does then. */
async function liveAndDie(program: string, events: number): Promise<readonly string[]> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  const durable: string[] = []
  for await (const id of createInterface({ input: child.stdout })) {
    durable.push(id)
    if (durable.length === events) child.kill('SIGKILL')
  }
  const [, signal] = (await exit) as readonly unknown[]
  assert.equal(signal, 'SIGKILL')
  return durable
}

test('whoever is killed loses nothing that was durable, and sends nothing in part', async () => {
  requirement('policy.upload-loses-nothing')
  await using place = await openFolder()
  await using collector = await openCollector()
  const durable: string[] = []
  for (let life = 1; life <= 6; life += 1) {
    // Every other one has a receiver that takes the chunk and says that it has not, or breaks the connection.
    collector.answer((received, response) => {
      if (life % 2 === 0 && collector.all.length % 3 === 0) response.socket?.destroy()
      else if (life % 2 === 0 && collector.all.length % 3 === 1) refuse(500)(received, response)
      else take(received, response)
    })
    durable.push(...(await liveAndDie(programOf(place.file, collector.url, life), life * 7)))
  }
  collector.answer(take)
  const last = programOf(place.file, collector.url, 7)
  const ending = `${last.slice(0, last.indexOf('for (let number'))}
    await upload[Symbol.asyncDispose]()
    process.kill(process.pid, 'SIGKILL')`
  await liveAndDie(ending, 0)
  const sent = new Set(collector.ids())
  assert.ok(durable.length >= 147)
  assert.deepEqual(
    durable.filter((id) => !sent.has(id)),
    [],
  )
})
