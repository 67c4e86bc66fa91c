import { prepareFolders, type StartState } from './start-state.ts';
import { INSTANCE_RULES } from './config.ts';
import type { Desired } from './desired.ts';
import type { Edges } from './edges.ts';
import type { FactStore } from './facts.ts';
import { hostPort } from './system/listen.ts';
import { createConfiguration, type Configuration } from './prometheus/configuration/configuration.ts';
import { createCredentials } from './prometheus/configuration/secret-files.ts';
import { passedOn } from './prometheus/process/flags.ts';
import type { LogLine } from './prometheus/api/logfmt.ts';
import { createOwnPrometheus, type OwnPrometheus } from './prometheus/process/own.ts';
import { createProver, type Prover } from './prometheus/sync/sync.ts';
import { hasProxy } from './prometheus/configuration/proxies.ts';
import { createPromtool } from './shared/promtool.ts';
import { createPublisher, type Publisher } from './targets/publisher.ts';

/** What brings about what is desired: the target file with the proof that Prometheus takes it, the configuration, and the process. */
export interface Appliers {
  readonly sync: Prover;
  readonly publisher: Publisher;
  readonly configuration: Configuration;
  /** Undefined with an external Prometheus. */
  readonly own: OwnPrometheus | undefined;
}

export interface AppliersOptions {
  readonly edges: Edges;
  readonly startState: StartState;
  readonly facts: FactStore;
  readonly desired: () => Desired;
  /** Takes each line of the own Prometheus' log. */
  readonly onLine: (line: LogLine) => void;
}

export async function createAppliers({
  edges,
  startState,
  facts,
  desired,
  onLine,
}: AppliersOptions): Promise<Appliers> {
  const { config, supervised, environment, prometheus, clock, report, targetFile, stateFile } = edges;
  const sync = createProver({
    client: prometheus,
    targetsFile: targetFile.path,
    scrape: () => desired().scrape,
    clock,
    onDead() {
      facts.patch({ revivals: facts.current().revivals + 1 });
    },
    onUnproven() {
      publisher.putAgain();
    },
    report,
  });
  const publisher = createPublisher({ state: stateFile, file: targetFile, clock, proof: sync, report });
  return {
    sync,
    publisher,
    configuration: createConfiguration({
      baseFile: config.baseConfig,
      rulesFolder: config.rulesFolder,
      instanceRules: { file: INSTANCE_RULES, instance: config.ownApp },
      dataFolder: config.dataFolder,
      credentials: createCredentials(config.dataFolder, environment),
      promtool: createPromtool(passedOn(environment)),
      fixed: {
        targetsFile: targetFile.path,
        replica: config.replica,
        // Only the app that Tsuru names has settings, and with them a remote_write.
        instance: config.ownApp ?? config.replica,
        addresses: { prometheus: config.prometheus.url.host, agent: hostPort(config.listen) },
        access: supervised?.access,
        hasProxy: hasProxy(environment),
      },
      client: prometheus,
      clock,
      report,
    }),
    own:
      supervised === undefined
        ? undefined
        : await createOwnPrometheus({
            ...supervised,
            environment,
            settings: () => facts.current().settings,
            client: prometheus,
            clock,
            keepsWal: startState.found?.capacity.volume.kind === 'disk',
            makeRoom: () => prepareFolders(edges),
            onLine(line) {
              report({ kind: 'line', line });
              onLine(line);
            },
            report,
          }),
  };
}
