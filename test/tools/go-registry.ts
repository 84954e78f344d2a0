/** A registry that others have written, as a program of its own. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { manifestType, type Image } from '../policy/oci/image.ts'
import { buildTools } from './build.ts'

export interface GoRegistry extends AsyncDisposable {
  readonly host: string
  /** As `oras push` does: what a manifest names goes first. */
  push(repository: string, tag: string, image: Image): Promise<void>
}

export async function openGoRegistry(): Promise<GoRegistry> {
  const program = (await buildTools(['registry'], () => {})).get('registry')
  assert.ok(program !== undefined)
  const child = spawn(program, [], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [host] = (await once(createInterface(child.stdout), 'line')) as [string]
  const put = async (url: URL, body: Buffer, type: string): Promise<void> => {
    const headers = { 'content-type': type }
    const { status } = await fetch(url, { method: 'PUT', headers, body: new Uint8Array(body) })
    assert.equal(status, 201, url.pathname)
  }
  return {
    host,
    async push(repository, tag, { blobs, manifest, digest }) {
      const base = `http://${host}/v2/${repository}`
      for (const [name, octets] of blobs) {
        if (name === digest) continue
        const begun = await fetch(`${base}/blobs/uploads/`, { method: 'POST' })
        const url = new URL(begun.headers.get('location') ?? '', base)
        url.searchParams.set('digest', name)
        await put(url, octets, 'application/octet-stream')
      }
      await put(new URL(`${base}/manifests/${tag}`), manifest, manifestType)
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    },
  }
}
