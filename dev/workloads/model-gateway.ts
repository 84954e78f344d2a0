/** A model gateway: asks the inference worker for a completion, with its own certificate. */
import { openCountersignFetch } from '../../src/agent/countersign-fetch.ts'
import { answerCommands } from './commands.ts'
import { setting, workloadEnvironment } from './environment.ts'

await using worker = await openCountersignFetch({
  ...workloadEnvironment(),
  server: setting('WORKER_SPIFFE_ID'),
})

await answerCommands({
  async complete({ model }) {
    const response = await worker.fetch(setting('WORKER_URL'), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model, prompt: 'Hello?' }),
    })
    return { status: response.status, answer: await response.json() }
  },
})
