import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseMessage, type Message } from '../../src/mcp/message.ts'
import { isProblem, type Problem } from '../../src/mcp/problem.ts'
import { requirement } from '../requirements.ts'
import { headerList } from './vectors.ts'

const meta =
  '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'

/** A modern call of a method that no header names a target of. */
function parse(params: string, name: string | null = null): Message | Problem {
  const method = 'completion/complete'
  const body = `{"jsonrpc":"2.0","id":1,"method":"${method}","params":{${params},${meta}}}`
  return parseMessage(Buffer.from(body), headerList({ 'Mcp-Method': method, 'Mcp-Name': name }))
}

const argument = '"argument":{"name":"a","value":""}'

suite('a completion is about what its reference names', () => {
  const named: Readonly<Record<string, readonly [string, string, string]>> = {
    'a prompt': ['{"type":"ref/prompt","name":"p"}', 'ref.name', 'p'],
    'a template': ['{"type":"ref/resource","uri":"x:{y}"}', 'ref.uri', 'x:{y}'],
  }
  for (const [what, [ref, where, value]] of Object.entries(named)) {
    test(what, () => {
      const message = parse(`"ref":${ref},${argument}`)
      assert.ok(!isProblem(message) && message.kind === 'request')
      assert.deepEqual([message.named, message.name], [where, value])
      const { start, end } = message.offsets.refName ?? message.offsets.refUri ?? assert.fail()
      assert.equal(message.body.toString('utf8', start, end), JSON.stringify(value))
    })
  }
  test('and no header repeats it', () => {
    const message = parse(`"ref":{"type":"ref/prompt","name":"p"},${argument}`, 'p')
    assert.ok(isProblem(message))
    assert.equal(message.code, -32020)
  })
})

suite('a completion of which two readers would name two things is refused', () => {
  const prompt = '"ref":{"type":"ref/prompt","name":"p"}'
  const odd: Readonly<Record<string, string>> = {
    'no reference': argument,
    'a reference that is text': `"ref":"p",${argument}`,
    'a type that is none': `"ref":{"type":"ref/tool","name":"p"},${argument}`,
    'a name in another case': `"ref":{"type":"ref/prompt","name":"p","Name":"q"},${argument}`,
    'a type in another case': `"ref":{"type":"ref/prompt","name":"p","TYPE":"ref/resource"},${argument}`,
    'a name with what is not seen': `"ref":{"type":"ref/prompt","name":"p","uri\\u200b":"q"},${argument}`,
    'a prompt and a resource': `"ref":{"type":"ref/prompt","name":"p","uri":"x:y"},${argument}`,
    'a prompt without a name': `"ref":{"type":"ref/prompt","uri":"x:y"},${argument}`,
    'an empty name': `"ref":{"type":"ref/prompt","name":""},${argument}`,
    'no argument': prompt,
    'an argument without a value': `${prompt},"argument":{"name":"a"}`,
    'an argument in two cases': `${prompt},"argument":{"name":"a","Name":"b","value":""}`,
    'other arguments in two cases': `${prompt},${argument},"context":{"arguments":{"b":"1","B":"2"}}`,
  }
  for (const [what, params] of Object.entries(odd)) {
    test(what, () => {
      requirement('gateway.one-reading')
      const message = parse(params)
      assert.ok(isProblem(message))
      assert.equal(message.status, 400)
    })
  }
})
