import type { KeyObject } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { CountersignError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { SigningThread, StartSigningThread } from '../../token/signing-turns.ts'

/** It keeps a key and a batch; more is a mistake, and the pool signs again. */
const resourceLimits = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 16, stackSizeMb: 1 }

type Sent = PromiseWithResolvers<readonly Buffer[]>

/** Starts threads that sign for P-256. They keep no process alive, and know nothing of its environment. */
export function startSigningThreads(log: Log): StartSigningThread {
  return (key) => startSigningThread(key, log)
}

async function startSigningThread(key: KeyObject, log: Log): Promise<SigningThread> {
  const worker = new Worker(signing, {
    eval: true,
    workerData: key,
    env: {},
    execArgv: [],
    resourceLimits,
    name: 'signing',
  })
  const sent: Sent[] = []
  const ready = Promise.withResolvers<void>()
  let isOver = false
  worker.once('message', () => {
    worker.on('message', (signatures: Uint8Array) => sent.shift()?.resolve(split(signatures)))
    // Before it runs this is not heard.
    worker.unref()
    ready.resolve()
  })
  worker.on('error', (error) => log.error({ error }, 'signing thread broke, and the pool signs'))
  worker.once('exit', () => {
    isOver = true
    const ended = new CountersignError('token/sign', 'signing thread has ended')
    ready.reject(ended)
    for (const each of sent.splice(0)) each.reject(ended)
  })
  await ready.promise
  return {
    sign(texts) {
      const asked: Sent = Promise.withResolvers()
      if (isOver) asked.reject(new CountersignError('token/sign', 'signing thread has ended'))
      else {
        sent.push(asked)
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
        worker.postMessage(texts)
      }
      return asked.promise
    },
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- as above
    close: () => worker.postMessage(undefined),
  }
}

/** Each signature after an octet that says how long it is. */
function split(signatures: Uint8Array): readonly Buffer[] {
  const octets = Buffer.from(signatures.buffer, signatures.byteOffset, signatures.length)
  const split: Buffer[] = []
  for (let at = 0; at < octets.length;) {
    const start = at + 1
    at = start + octets.readUInt8(at)
    split.push(octets.subarray(start, at))
  }
  return split
}

const signing = `
const { sign } = require('node:crypto')
const { parentPort, workerData: key } = require('node:worker_threads')
parentPort.on('message', (texts) => {
  if (texts === undefined) return parentPort.close()
  const parts = texts.flatMap((text) => {
    const signature = sign('sha256', Buffer.from(text, 'latin1'), key)
    return [Uint8Array.of(signature.length), signature]
  })
  const signatures = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    signatures.set(part, at)
    at += part.length
  }
  parentPort.postMessage(signatures)
})
parentPort.postMessage('ready')
`
