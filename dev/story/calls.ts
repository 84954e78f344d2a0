import { spiffeIdOf, stage } from './cast.ts'
import { ownName } from './own-server.ts'
import { WorkloadFailure } from './pod-runner.ts'
import { expect, type Chapter, type Step, type World } from './world.ts'

/** What an agent sees of the tools, and what it may call. */
export const callsChapter: Chapter = {
  title: 'Tools, listed and called on the certificate',
  steps: [
    lists(
      'acme/researcher',
      ['github_issues_create', 'github_issues_list', 'notes_search', 'notes_write'],
      'of 2026-07-28 sees only its own tools, of servers of either era',
    ),
    calls({
      pod: 'acme/researcher',
      tool: 'github_issues_create',
      input: { repository: 'acme/website', title: 'The logo is upside down' },
      seen: '"tenant":"acme"',
      title: 'opens an issue in its own repository',
    }),
    refused({
      pod: 'acme/researcher',
      tool: 'github_repository_delete',
      input: { repository: 'acme/website' },
      title: 'calls a tool outside its ceiling',
    }),
    refused({
      pod: 'acme/researcher',
      tool: 'github_issues_create',
      input: { repository: 'globex/vault', title: 'hello' },
      title: 'calls inside its ceiling, with an argument that policy refuses',
    }),
    refused({
      pod: 'acme/researcher',
      tool: 'github_issues_delete',
      input: { repository: 'acme/website', number: 1 },
      title: 'calls a tool that its list does not show',
    }),
    calls({
      pod: 'acme/researcher',
      tool: 'notes_write',
      input: { note: 'The logo is upside down' },
      seen: 'note 1 is written',
      title: 'calls a tool server of 2025-11-25, and speaks 2026-07-28',
    }),
    lists(
      'globex/analyst',
      ['github_issues_list', 'notes_search'],
      'of 2025-11-25 sees its own tools',
    ),
    calls({
      pod: 'globex/analyst',
      tool: 'notes_search',
      input: { word: 'merger' },
      seen: '"content":[]',
      title: 'searches its own shelf of notes',
    }),
    refused({
      pod: 'globex/analyst',
      tool: 'notes_write',
      input: { note: 'hello' },
      title: 'writes, which its certificate does not cover',
    }),
  ],
}

/** Model claims count as tool scopes do; here without a gateway between, on the caller's own certificate. */
export const modelsChapter: Chapter = {
  title: 'Models, on the same certificate',
  steps: [
    completes('llama-3-70b', 200, 'asks the worker for the model it holds'),
    completes('mistral-small', 403, 'asks the worker for a model it does not hold'),
  ],
}

/** Past the gateway there is nothing. */
export const directChapter: Chapter = {
  title: 'Past the gateway',
  steps: [
    callsDirectly('acme/researcher', 'calls the tool server directly, with its own certificate'),
    callsDirectly(
      `${stage.system}/other-gateway`,
      'does so as a tool broker, but not as the gateway',
    ),
  ],
}

const ownPrefix = `${ownName}_`

/** A server that was brought along: there for the agent that has a grant, and for nobody else. */
export const ownChapter: Chapter = {
  title: 'Your own MCP server',
  steps: [
    {
      title: 'acme/researcher sees its tools',
      async check(world) {
        const want = world.own?.tools.length ?? 0
        const got = await ownToolsOf(world, 'acme/researcher')
        expect(got.length === want, `own tools: want=${want} got=${got.length}`)
        return want === 0 ? 'it has none' : `sees ${got.join(', ')}`
      },
    },
    {
      title: 'globex/analyst sees none of them',
      async check(world) {
        const got = await ownToolsOf(world, 'globex/analyst')
        expect(got.length === 0, `own tools: want=none got=${got.join()}`)
        return 'sees none'
      },
    },
  ],
}

async function ownToolsOf(world: World, pod: string): Promise<readonly string[]> {
  const desk = await world.runner.desk(pod)
  const { tools } = (await desk.ask({ do: 'list' })) as { tools: string[] }
  return tools.filter((name) => name.startsWith(ownPrefix))
}

function callsDirectly(pod: string, title: string): Step {
  return {
    title: `${pod} ${title}`,
    async check(world) {
      const desk = await world.runner.desk(pod)
      const answer = (await desk.ask({
        do: 'direct',
        url: `https://127.0.0.1:${world.ports.github}/mcp`,
        server: spiffeIdOf('tools', 'github'),
      })) as { status: number; text: string }
      expect(answer.status === 403, `want=403 got=${answer.status} ${answer.text}`)
      return `refused by the tool server: ${messageIn(answer.text)}`
    },
  }
}

function messageIn(text: string): string {
  const { error } = JSON.parse(text) as { error?: { message?: string } }
  return error?.message ?? text
}

function lists(pod: string, want: readonly string[], title: string): Step {
  return {
    title: `${pod} ${title}`,
    async check(world) {
      const desk = await world.runner.desk(pod)
      const { tools } = (await desk.ask({ do: 'list' })) as { tools: string[] }
      // Whatever stands behind one's own server is looked at in its own chapter.
      const got = tools.filter((name) => !name.startsWith(ownPrefix)).toSorted()
      expect(got.join() === want.join(), `tools: want=${want.join()} got=${got.join()}`)
      return `sees ${got.join(', ')}`
    },
  }
}

function calls(call: {
  readonly pod: string
  readonly tool: string
  readonly input: object
  readonly seen: string
  readonly title: string
}): Step {
  return {
    title: `${call.pod} ${call.title}`,
    async check(world) {
      const desk = await world.runner.desk(call.pod)
      const answer = await desk.ask({ do: 'call', tool: call.tool, arguments: call.input })
      const { result } = answer as { result: { isError?: boolean; content: { text: string }[] } }
      expect(result.isError !== true, JSON.stringify(result))
      const text = result.content.map((part) => part.text).join() || JSON.stringify(result)
      expect(text.includes(call.seen), `want=…${call.seen}… got=${text}`)
      return `${call.tool} answered ${text}`
    },
  }
}

function refused(call: {
  readonly pod: string
  readonly tool: string
  readonly input: object
  readonly title: string
}): Step {
  return {
    title: `${call.pod} ${call.title}`,
    async check(world) {
      const failure = await failureOf(world, call.pod, { tool: call.tool, arguments: call.input })
      const { code, data } = failure.details
      expect(code === -31403, `want=-31403 got=${String(code)} ${failure.message}`)
      const { decisionId } = (data ?? {}) as { decisionId?: string }
      expect(decisionId !== undefined, 'want=a decision id')
      return `refused: ${failure.message}`
    },
  }
}

/** The failure of a call that must not succeed. */
export async function failureOf(
  world: World,
  pod: string,
  call: { readonly tool: string; readonly arguments: object },
): Promise<WorkloadFailure> {
  const desk = await world.runner.desk(pod)
  try {
    const answer = await desk.ask({ do: 'call', ...call })
    throw new Error(`want=refused got=${JSON.stringify(answer)}`)
  } catch (error) {
    if (error instanceof WorkloadFailure) return error
    throw error
  }
}

function completes(model: string, status: number, title: string): Step {
  return {
    title: `acme/model-gateway ${title}`,
    async check(world) {
      const desk = await world.runner.desk('acme/model-gateway')
      const got = (await desk.ask({ do: 'complete', model })) as { status: number; answer: object }
      expect(got.status === status, `want=${status} got=${got.status}`)
      return `${model}: ${got.status} ${JSON.stringify(got.answer)}`
    },
  }
}
