import { Client } from 'undici'
import { parseCredentialBundle } from '../../src/pki/credential.ts'
import type { BenchMaterial } from '../rig/material.ts'
import { call } from './contest.ts'

/** What a contestant says that it decides on. */
export type Decides = 'nothing' | 'tool' | 'arguments'

/** Asks for what the grants do not have: a contestant that lets it through has not done the work. Gives how often it asked. */
export async function checkRefusals(
  { callerPems, bundlePem }: BenchMaterial,
  o: { readonly name: string; readonly port: number; readonly decides: Decides },
): Promise<number> {
  const forbidden = {
    nothing: [],
    tool: [['"name":"search"', '"name":"drop_1"']],
    arguments: [
      ['"name":"search"', '"name":"drop_1"'],
      ['"region":"north"', '"region":"west"'],
    ],
  }[o.decides]
  const { chainPem: cert, privateKeyPem: key } = parseCredentialBundle(callerPems[0] ?? '')
  const checkServerIdentity = (): undefined => undefined
  const connect = { cert, key, ca: bundlePem, checkServerIdentity }
  const client = new Client(`https://127.0.0.1:${o.port}`, { connect })
  for (const [allowed = '', instead = ''] of forbidden) {
    const body = call.body.replace(allowed, instead)
    const headers = { ...call.headers, 'mcp-name': /"name":"(\w+)","arg/.exec(body)?.[1] ?? '' }
    const { statusCode, body: answer } = await client.request({
      method: 'POST',
      path: '/mcp/tools',
      headers,
      body,
    })
    // The gateway denies by an error of the protocol in an answer of 200.
    const denied = statusCode === 403 || (await answer.text()).includes('denied by policy')
    if (!denied) throw new Error(`${o.name}: ${instead}: want=a denial got=${statusCode}`)
  }
  await client.destroy()
  return forbidden.length
}
