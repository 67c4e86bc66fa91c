import { load, YAMLException } from 'js-yaml';
import { readSettings, type SettingsInput } from '../../agent/shared/settings/settings.ts';
import { formatBytes, parseBytes } from '../../agent/shared/settings/bytes.ts';
import { formatDuration } from '../../agent/shared/duration.ts';
import { isObject } from '../../agent/shared/shape.ts';
import { didYouMean, shortLine } from '../../agent/shared/text.ts';
import { budgetOfPlan, capacityOfPlan, type PlanCapacity } from './memory.ts';
import type { Plan, Storage } from './plan.ts';

export type PlansResult =
  { readonly ok: true; readonly plans: readonly Plan[] } | { readonly ok: false; readonly problems: readonly string[] };

const KEYS = {
  file: ['defaults', 'plans'],
  plan: ['name', 'description', 'default', 'tsuru_plan', 'memory', 'pool', 'storage', 'settings', 'ceilings'],
  storage: ['kind', 'volume_plan', 'size'],
} as const;

/** Tsuru has no rule for the names of plans; users type them in a shell. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,39}$/i;

/** Reads plans.yaml. All problems come at once, each a sentence. */
export function readPlans(text: string): PlansResult {
  const problems: string[] = [];
  let file: unknown;
  try {
    file = load(text);
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    return { ok: false, problems: [`The plans are no YAML: ${error.message.split('\n')[0] ?? ''}.`] };
  }
  if (!isObject(file)) return { ok: false, problems: ['The plans are no map: they need the key "plans".'] };
  checkKeys(file, KEYS.file, 'the file', problems);
  const platform = readDefaults(file['defaults'], problems);
  const list = Array.isArray(file['plans']) ? (file['plans'] as unknown[]) : [];
  if (list.length === 0) problems.push('plans must be a list of at least one plan.');
  const plans = list.map((plan, i) => readPlan(plan, `plans[${i}]`, platform, problems));
  const whole = plans.filter((plan) => plan !== undefined);
  checkTogether(list.filter(isObject), problems);
  return problems.length > 0 ? { ok: false, problems } : { ok: true, plans: whole };
}

/** The platform's own settings, with their problems reported once and not for each plan; none when they cannot be used. */
function readDefaults(value: unknown, problems: string[]): SettingsInput {
  const given = settingsIn(value, 'defaults', problems);
  const result = readSettings(given);
  if (result.ok) return given;
  problems.push(...result.problems.map((problem) => `defaults: ${problem}`));
  return {};
}

function readPlan(value: unknown, place: string, platform: SettingsInput, problems: string[]): Plan | undefined {
  if (!isObject(value)) {
    problems.push(`${place} must be a map.`);
    return undefined;
  }
  const where = typeof value['name'] === 'string' ? `plan ${value['name']}` : place;
  checkKeys(value, KEYS.plan, where, problems);
  const text = (key: string, fallback?: string): string => {
    const given = value[key] ?? fallback;
    if (typeof given === 'string' && (given.trim() !== '' || fallback === '')) return given.trim();
    problems.push(`${where}: ${key} must be a text.`);
    return '';
  };
  const name = text('name');
  if (name !== '' && !NAME.test(name)) problems.push(`${where}: name must match ${NAME.source}.`);
  const isDefault = value['default'] ?? false;
  if (typeof isDefault !== 'boolean') problems.push(`${where}: default must be true or false.`);
  const tsuruPlan = text('tsuru_plan');
  const pool = text('pool', '');
  const intro = text('description', '');
  const memoryBytes = bytesIn(value, 'memory', where, problems);
  const storage = readStorage(value['storage'], where, problems);
  const settings = settingsIn(value['settings'], `${where}: settings`, problems);
  const ceilings = settingsIn(value['ceilings'], `${where}: ceilings`, problems);
  for (const key of ['storage', 'storage_size']) {
    if (key in settings || key in ceilings) problems.push(`${where}: ${key} belongs into the plan's storage.`);
  }
  // The rest is reckoned from these.
  if (memoryBytes === 0 || storage === undefined || storage.sizeBytes === 0) return undefined;

  const budget = budgetOfPlan(memoryBytes, storage);
  // Tight memory is reported with the sum that a refusal has, too.
  const obstacles = budget.problems.length > 0 ? budget.problems : [budget.refusal ?? []].flat();
  problems.push(...obstacles.map((problem) => `${where}: ${problem}.`));
  const most = budget.retentionSizeBytes;
  const fits = most === undefined ? {} : { retention_size: formatBytes(most) };
  const defaults = {
    ...platform,
    ...settings,
    ...{ storage: storage.kind, storage_size: formatBytes(storage.sizeBytes) },
  };
  const limits = { ...fits, ...ceilings };
  const usual = readSettings({}, { defaults, ceilings: limits });
  if (!usual.ok) {
    problems.push(...usual.problems.map((problem) => `${where}: ${problem}`));
    return undefined;
  }
  const { retentionMs, retentionSizeBytes = storage.sizeBytes } = usual.settings;
  const capacity = capacityOfPlan(memoryBytes, storage, { retentionMs, retentionSizeBytes });
  const described = { intro, memoryBytes, storage, retentionMs, retentionSizeBytes, ceilings, capacity };
  if (intro.length > LONGEST_DESCRIPTION)
    problems.push(`${where}: description must have at most ${LONGEST_DESCRIPTION} characters.`);
  return {
    ...{ name, isDefault: isDefault === true, description: describe(described), details: detailsOf(described) },
    ...{ tsuruPlan, memoryBytes, pool, storage },
    ...{ defaults, ceilings: limits },
  };
}

/** `tsuru service-info` and `tsuru service-plan-list` make tables that are as wide as it. */
const LONGEST_DESCRIPTION = 80;

interface Described {
  readonly intro: string;
  readonly memoryBytes: number;
  readonly storage: Storage;
  readonly retentionMs: number;
  readonly retentionSizeBytes: number;
  readonly ceilings: SettingsInput;
  readonly capacity: PlanCapacity;
}

/** The description that users see, computed from the plan so that it is always true; behind the administrator's description where both fit. */
function describe({ intro, memoryBytes, storage, retentionMs, capacity: { kept, most } }: Described): string {
  const where = storage.kind === 'tmpfs' ? 'in memory' : 'on a disk';
  const reckoned = `${formatBytes(memoryBytes)}; keeps ${formatDuration(retentionMs)} of ${roundDown(kept)} series, at most ${roundDown(most)}; ${where}: a deploy empties it`;
  if (intro === '') return shortLine(reckoned, LONGEST_DESCRIPTION);
  const both = `${intro}; ${reckoned}`;
  return both.length <= LONGEST_DESCRIPTION ? both : intro;
}

/** What administrators see of it when they check it. */
function detailsOf(plan: Described): string {
  const { memoryBytes, storage, retentionMs, retentionSizeBytes, ceilings } = plan;
  const { kept, most, bridgedMs } = plan.capacity;
  const where = storage.kind === 'tmpfs' ? 'in memory' : "on the unit's disk";
  const limits = Object.entries(ceilings).map(([key, limit]) => `${key} ${String(limit)}`);
  return [
    `${formatBytes(memoryBytes)} of memory`,
    `keeps ${formatDuration(retentionMs)} of ${roundDown(kept)} series every 15s, less of more, up to ${roundDown(most)} series`,
    `remote_write bridges an outage of ${minutes(bridgedMs.kept)}, with the most series of ${minutes(bridgedMs.most)}`,
    `${formatBytes(retentionSizeBytes)} ${where}, which a deploy or a change of plan empties`,
    ...(limits.length === 0 ? [] : [`limits: ${limits.join(', ')}`]),
  ].join('; ');
}

function readStorage(value: unknown, where: string, problems: string[]): Storage | undefined {
  if (!isObject(value)) {
    problems.push(`${where}: storage must be a map with kind, volume_plan and size.`);
    return undefined;
  }
  checkKeys(value, KEYS.storage, `${where}: storage`, problems);
  const { kind, volume_plan: volumePlan } = value;
  if (kind !== 'tmpfs' && kind !== 'ephemeral') {
    problems.push(`${where}: storage.kind must be tmpfs (in memory) or ephemeral (a disk per unit).`);
  }
  if (typeof volumePlan !== 'string' || volumePlan === '') {
    problems.push(`${where}: storage.volume_plan must name a volume plan of Tsuru.`);
  }
  const sizeBytes = bytesIn(value, 'size', `${where}: storage`, problems);
  if ((kind !== 'tmpfs' && kind !== 'ephemeral') || typeof volumePlan !== 'string') return undefined;
  return { kind, volumePlan, sizeBytes };
}

function bytesIn(value: Readonly<Record<string, unknown>>, key: string, where: string, problems: string[]): number {
  const given = value[key];
  const bytes = typeof given === 'string' ? parseBytes(given.trim()) : undefined;
  if (bytes !== undefined && bytes > 0) return bytes;
  problems.push(`${where}: ${key} must be a size such as 512MB or 2GB.`);
  return 0;
}

function settingsIn(value: unknown, where: string, problems: string[]): SettingsInput {
  if (value === undefined || value === null) return {};
  if (isObject(value)) return value;
  problems.push(`${where} must be a map of settings.`);
  return {};
}

function checkKeys(value: object, known: readonly string[], where: string, problems: string[]): void {
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue;
    problems.push(`${where}: ${key} is not known${didYouMean(key, known) || `: there are ${known.join(', ')}.`}`);
  }
}

function checkTogether(plans: readonly Readonly<Record<string, unknown>>[], problems: string[]): void {
  const names = plans.map(({ name }) => name).filter((name) => typeof name === 'string');
  for (const name of new Set(names.filter((one, i) => names.indexOf(one) < i))) {
    problems.push(`plan ${name} is there more than once.`);
  }
  const defaults = plans.filter((plan) => plan['default'] === true).map(({ name }) => String(name));
  if (plans.length > 0 && defaults.length !== 1) {
    const which = defaults.length === 0 ? 'none is' : `${defaults.join(', ')} are`;
    problems.push(`one plan must be the default: ${which}.`);
  }
}

/** In whole minutes. */
function minutes(durationMs: number): string {
  return formatDuration(Math.floor(durationMs / 60_000) * 60_000);
}

/** Two figures: more would pretend precision. */
function roundDown(number: number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, number))) - 1);
  return Math.floor(number / unit) * unit;
}
