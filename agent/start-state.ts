import { createOwnAddress, type OwnAddress } from './tsuru/own-address.ts';
import { memoryOf } from './capacity/fit.ts';
import { makeRoom } from './storage/free.ts';
import type { PlanMemory } from './capacity/scrape-plan.ts';
import type { Edges } from './edges.ts';
import type { Facts } from './facts.ts';
import { occupy } from './prometheus/process/occupancy.ts';
import { findOwnPrometheus, type Found } from './prometheus/process/own.ts';
import { featuresOf } from './prometheus/api/features.ts';
import {
  createInstanceSettings,
  type InstanceSettings,
  type InstanceSettingsOptions,
} from './tsuru/instance-settings.ts';
import { errorText } from './shared/text.ts';
import type { TargetFile } from './targets/target-file.ts';
import { parseGroups, type TargetGroup } from './discovery/target-group.ts';

/** What an agent begins with: its folders, and what is known from its last run and of this machine. */
export interface StartState {
  readonly address: OwnAddress;
  readonly settings: InstanceSettings;
  /** Undefined with an external Prometheus. */
  readonly found: Found | undefined;
  /** How the last targets were planned. */
  readonly planned: PlanMemory | undefined;
  readonly facts: Facts;
  /** Lets the next agent have the folders. */
  readonly release: () => void;
}

/**
 * Takes the folders, makes room in them, and reads what is there. Only the apps of the last run are not among the facts: they come when
 * there is a configuration to start Prometheus with.
 * @throws when another agent or Prometheus uses the folders.
 */
export async function begin(
  edges: Edges,
  check: InstanceSettingsOptions['check'],
  signal: AbortSignal,
): Promise<StartState> {
  const { config, supervised, environment, log, clock, report, targetFile, learnedPathsFile } = edges;
  const { dataFolder } = config;
  const release = await occupy({
    dataFolder,
    storageFolder: supervised?.storageFolder,
    endOrphan: async () => supervised?.starts.endOrphan(signal),
    log,
  });
  await prepareFolders(edges, true);
  // A disk that refuses is reported with the first write.
  await targetFile.makeFolder().catch(() => undefined);
  const address = createOwnAddress(dataFolder);
  await address.restore();
  const settings = createInstanceSettings({
    dataFolder,
    defaults: config.settings,
    clock,
    check,
    stopping: signal,
    report,
  });
  const lost = await settings.restore();
  const { paths, problem } = await learnedPathsFile.load();
  for (const text of [lost, problem]) if (text !== undefined) log.warn(text);
  const found =
    supervised === undefined
      ? undefined
      : await findOwnPrometheus({ ...supervised, dataFolder, environment, log }, signal);
  return {
    address,
    settings,
    found,
    planned:
      supervised === undefined
        ? undefined
        : memoryOf(await lastGroups(targetFile), settings.current().scrapeIntervalMs),
    facts: {
      apps: undefined,
      seenAtMs: clock.nowMs(),
      settings: settings.current(),
      address: address.url(),
      features: found?.features ?? featuresOf(undefined),
      learned: paths,
      revivals: 0,
      capacity: found?.capacity,
    },
    release,
  };
}

/** Makes room on the volume of the data, and places the private CAs. Only while no Prometheus of its own runs. Never rejects. */
export async function prepareFolders(
  { config, supervised, authorities, report }: Edges,
  isStart = false,
): Promise<void> {
  if (supervised !== undefined) {
    const { storageFolder } = supervised;
    report({ kind: 'freed', outcome: await makeRoom({ storageFolder, dataFolder: config.dataFolder, isStart }) });
  }
  const { warnings } = config.authorities;
  try {
    await authorities.place();
    report({ kind: 'authorities', problems: warnings });
  } catch (error) {
    const unknown = `Prometheus does not know the CAs of CA_CERTIFICATES, as they cannot be written: ${errorText(error)}`;
    report({ kind: 'authorities', problems: [...warnings, unknown] });
  }
}

/** The groups of the last target file; none if it cannot be read, which is reported where it is restored. */
async function lastGroups(file: TargetFile): Promise<readonly TargetGroup[]> {
  try {
    return [...parseGroups((await file.read()) ?? '[]').values()].flat();
  } catch {
    return [];
  }
}
