import type { Command } from 'commander'
import type { Terminal } from '../terminal.ts'
import type { EvaluateOptions } from './evaluate-command.ts'
import type { PreviewOptions } from './preview-command.ts'

const config = ['--config <file>', 'YAML configuration of the signer (required)'] as const
const kubeconfig = [
  '--kubeconfig <file>',
  'of whoever may read pods, namespaces, service accounts, nodes and services; as kubectl finds it when absent',
] as const
const objects = [
  '--objects <file...>',
  'objects as `kubectl get -o yaml` writes them; no cluster is asked then',
] as const
const json = ['--json', 'one document for programs, see docs/ISSUANCE.md'] as const

/** `countersign evaluate` and `countersign preview`: what the signer would say, without saying it. */
export function addIssuance(program: Command, terminal: Terminal): void {
  program
    .command('evaluate')
    .description(
      'Shows what the signer would say of a request, or of a pod, with the evidence of each field.',
    )
    .argument(
      '<what>',
      'a PodCertificateRequest as <namespace>/<name>, a CertificateSigningRequest as csr/<name>, either as YAML file, or pod/<namespace>/<pod>',
    )
    .option(...config)
    .option(...kubeconfig)
    .option(...objects)
    .option(...json)
    .option('--approve', 'approves csr/<name> where it would be issued, as whoever runs this')
    .addHelpText(
      'after',
      `
Nothing is issued, denied or recorded, and nothing approved but with --approve.
Exit codes: 0 would be issued, 1 would be denied or would wait, 2 usage or configuration.

Examples:
  countersign evaluate pod/acme/researcher-0 --config signer.yaml
  kubectl -n countersign-system exec sts/countersign-signer -- node /opt/countersign/dist/cli/main.mjs evaluate \\
    pod/acme/researcher-0 --config /etc/countersign/signer.yaml`,
    )
    .action(async (what: string, options: EvaluateOptions) => {
      const { runEvaluate } = await import('./evaluate-command.ts')
      await runEvaluate(what, options, terminal)
    })
  program
    .command('preview')
    .description(
      'Shows which running pods a change would refuse at their next refresh, or give another certificate.',
    )
    .option(...config)
    .option(
      '--label <change...>',
      'of a namespace or service account: <namespace>[/<service account>]:<key>=<value>, or <key>- to take it away',
    )
    .option('--annotation <change...>', 'of a service account, written like --label')
    .option(
      '--mode <change...>',
      'of enforcement: <namespace>=enforce, <namespace>=warn or <namespace>=off',
    )
    .option('--policy <bundle>', 'folder or archive, in the place of the bundle in force')
    .option('--data <file...>', 'JSON documents, in the place of policy.data')
    .option(...kubeconfig)
    .option(...objects)
    .option('--all', 'shows what stays as it is, too')
    .option(...json)
    .addHelpText(
      'after',
      `
Nothing is changed. Exit codes: 0 no pod would lose its certificate, 1 one would, 2 usage or configuration.

Examples:
  countersign preview --config signer.yaml --label acme:countersign.dev/tenant=globex
  countersign preview --config signer.yaml --mode acme=enforce
  countersign preview --config signer.yaml --policy ./bundle --data grants.json`,
    )
    .action(async (options: PreviewOptions) => {
      const { runPreview } = await import('./preview-command.ts')
      await runPreview(options, terminal)
    })
}
