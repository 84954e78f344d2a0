import { readFile, rename, stat, writeFile } from 'node:fs/promises'
import { isMap, isSeq, parseDocument } from 'yaml'
import { CountersignError, quoted } from '../../errors.ts'
import { toolServerResource } from '../../gateway/upstream/tool-server-watch.ts'
import { mergeObject, readObject } from '../../kubernetes/objects.ts'
import { openClient } from './open-client.ts'

export type Pins = Readonly<Record<string, string>>

/** Adds pins to a tool server of a configuration file. What else is in the file stays, comments too; only white space may change. */
export async function writePinsOfFile(file: string, server: string, pins: Pins): Promise<void> {
  const text = await readFile(file, 'utf8')
  const edited = editPins(text, server, pins)
  const next = `${file}.new`
  try {
    const { mode } = await stat(file)
    await writeFile(next, edited, { mode })
    // Nobody sees it half written: the gateway follows the file.
    await rename(next, file)
  } catch (cause) {
    const got = (cause as NodeJS.ErrnoException).code ?? 'unknown'
    const hint =
      'where it is made of something else, such as values of the chart, put the pins there'
    const message = `cannot write ${quoted(file, 300)}, got=${got}`
    throw new CountersignError('cli/configuration', message, { cause, hint })
  }
}

function editPins(text: string, server: string, pins: Pins): string {
  const document = parseDocument(text, { uniqueKeys: true, strict: true, version: '1.2' })
  const upstreams = document.get('upstreams')
  const index = isSeq(upstreams)
    ? upstreams.items.findIndex((item) => isMap(item) && item.get('server') === server)
    : -1
  if (index < 0) {
    throw new CountersignError('cli/usage', `no server ${quoted(server)} in upstreams`)
  }
  for (const [tool, digest] of Object.entries(pins)) {
    document.setIn(['upstreams', index, 'pins', tool], digest)
  }
  return document.toString({ lineWidth: 0 })
}

/** Adds pins to a ToolServer, with the rights of whoever runs this. */
export async function writePinsOfToolServer(
  object: string,
  pins: Pins,
  {
    kubeconfig,
    signal,
  }: { readonly kubeconfig?: string | undefined; readonly signal: AbortSignal },
): Promise<void> {
  const [namespace, name = ''] = object.split('/')
  const client = openClient(kubeconfig, 'tools')
  try {
    const found = await readObject(client, toolServerResource, { namespace, name, signal })
    if (found === undefined) {
      throw new CountersignError('cli/usage', `no ToolServer ${quoted(object)} in the cluster`)
    }
    const patch = { spec: { pins } }
    await mergeObject(client, toolServerResource, { metadata: found.metadata, patch, signal })
  } finally {
    client.close()
  }
}
