/** An inference worker: no MCP, called directly by the model gateway, which must hold the model in its certificate. */
import { serve } from './serve.ts'
import { setting } from './environment.ts'

const served = new Set(setting('MODELS').split(','))

await serve(
  (_request, response, { caller, body }) => {
    const answer = (status: number, value: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    }
    const { model } = JSON.parse(body.toString('utf8')) as { model?: unknown }
    if (typeof model !== 'string') return answer(400, { error: 'model: required' })
    if (caller.tenant !== setting('TENANT')) {
      return answer(403, { error: `tenant ${JSON.stringify(caller.tenant)} is not served here` })
    }
    if (!caller.allowsModel(model)) {
      return answer(403, {
        error: `model ${JSON.stringify(model)} is not in the caller's certificate`,
      })
    }
    if (!served.has(model)) return answer(404, { error: 'no such model here' })
    return answer(200, { model, tenant: caller.tenant, text: 'Hello from the worker.' })
  },
  { direct: ['model-gateway'] },
)
