import type { Era } from '../../../src/mcp/message.ts'

/** What each client does with each server, step by step, and what has to come of it. */

interface Call {
  readonly tool: string
  readonly arguments: Readonly<Record<string, unknown>>
}

/** The steps of one server, as a client's program gets them. */
export interface Steps {
  readonly calls: Call
  /** A tool that the server has and policy does not allow. */
  readonly refuses: Call
  /** A call that tells how far it is. */
  readonly progress?: Call
  /** A call that takes long enough to be given up. */
  readonly cancels?: Call
  readonly reads?: string
  readonly prompts?: { readonly name: string; readonly arguments: Readonly<Record<string, string>> }
}

export type StepName = 'lists' | keyof Steps

/** In the order in which clients do them. */
export const stepNames: readonly StepName[] = [
  'lists',
  'calls',
  'refuses',
  'progress',
  'cancels',
  'reads',
  'prompts',
]

export interface Plan {
  /** Of a server of its own; the door of all has what the servers have. */
  readonly eras?: readonly Era[]
  /** What is granted of its tools. */
  readonly tools: readonly string[]
  readonly steps: Steps
  /** What a client shows when a step went well. */
  readonly shows: Readonly<Partial<Record<StepName, RegExp>>>
}

/** Some clients look in the list before they call, and find that there is no such tool. */
const refusal = /denied by policy|not found on server/

/** The files of the folder that server-filesystem is given. */
export const files: Readonly<Record<string, string>> = { 'hello.txt': 'hello from a file' }

/** The column of the door of all servers. */
export const doorOfAll = 'all'

/** At the door of all: whatever is granted, under the names of its servers. */
export function planForAll(servers: Readonly<Record<string, Plan>>): Plan {
  const all = Object.entries(servers)
  const call = { tool: 'fastmcp_greet', arguments: { name: 'Ada' } }
  return {
    tools: all.flatMap(([server, { tools }]) => tools.map((tool) => `${server}_${tool}`)),
    steps: {
      calls: call,
      refuses: { tool: 'fastmcp_secret', arguments: {} },
      progress: { tool: 'fastmcp_count', arguments: { seconds: 1 } },
      cancels: { tool: 'fastmcp_count', arguments: { seconds: 30 } },
    },
    shows: { calls: /^hello, Ada$/, refuses: refusal },
  }
}

export function plansFor(folder: string): Readonly<Record<string, Plan>> {
  return {
    everything: {
      eras: ['legacy'],
      tools: ['echo', 'get-sum', 'trigger-long-running-operation'],
      steps: {
        calls: { tool: 'echo', arguments: { message: 'hi' } },
        refuses: { tool: 'get-env', arguments: {} },
        progress: { tool: longRunning, arguments: { duration: 1, steps: 2 } },
        cancels: { tool: longRunning, arguments: { duration: 30, steps: 2 } },
        reads: 'demo://resource/static/document/features.md',
        prompts: { name: 'args-prompt', arguments: { city: 'Riga' } },
      },
      shows: { calls: /^Echo: hi$/, refuses: refusal, reads: /Features/, prompts: /Riga/ },
    },
    files: {
      eras: ['legacy'],
      tools: ['read_text_file', 'list_directory'],
      steps: {
        calls: { tool: 'read_text_file', arguments: { path: `${folder}/hello.txt` } },
        refuses: { tool: 'write_file', arguments: { path: `${folder}/x`, content: 'x' } },
      },
      shows: { calls: /^hello from a file$/, refuses: refusal },
    },
    memory: {
      eras: ['legacy'],
      tools: ['read_graph', 'create_entities'],
      steps: {
        calls: { tool: 'read_graph', arguments: {} },
        refuses: { tool: 'delete_entities', arguments: { entityNames: ['x'] } },
      },
      shows: { calls: /"entities"/, refuses: refusal },
    },
    fastmcp: {
      eras: ['modern', 'legacy'],
      tools: ['greet', 'count'],
      steps: {
        calls: { tool: 'greet', arguments: { name: 'Ada' } },
        refuses: { tool: 'secret', arguments: {} },
        progress: { tool: 'count', arguments: { seconds: 1 } },
        cancels: { tool: 'count', arguments: { seconds: 30 } },
        reads: 'notes://today',
        prompts: { name: 'review', arguments: { what: 'a plan' } },
      },
      shows: { calls: /^hello, Ada$/, refuses: refusal, reads: /^a note$/, prompts: /a plan/ },
    },
  }
}

const longRunning = 'trigger-long-running-operation'
