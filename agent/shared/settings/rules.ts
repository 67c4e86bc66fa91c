import { dump } from 'js-yaml';
import { parseDuration } from '../duration.ts';
import type { Kind } from './kinds.ts';
import { kindOf, toJson, type Node } from './node.ts';
import { shown, type Place } from './problems.ts';
import { readEntries, readFields, readItems, readText } from './structure.ts';
import { readYaml } from './yaml.ts';

const GROUP_FIELDS = ['name', 'interval', 'query_offset', 'limit', 'labels', 'rules'] as const;
const RULE_FIELDS = ['record', 'alert', 'expr', 'for', 'keep_firing_for', 'labels', 'annotations'] as const;
/** Of an alert alone. */
const ALERT_FIELDS = ['for', 'keep_firing_for', 'annotations'] as const;

/**
 * The text of a rule file, as it was typed, so that promtool's line numbers are the user's. What is checked here is its shape; PromQL and
 * templates are promtool's.
 */
export const rules: Kind<string> = {
  range: 'YAML',
  write: (value) => value,
  read(node, place) {
    const text = node.kind === 'scalar' ? readText(node, place, "the text of Prometheus' rules") : dump(toJson(node));
    if (text === undefined) return undefined;
    const yaml = readYaml(text);
    if (!yaml.ok) {
      place.say(`is no valid YAML: ${yaml.reason}.`);
      return undefined;
    }
    return checkFile(yaml.node, place) ? `${text.replaceAll('\r\n', '\n').trimEnd()}\n` : undefined;
  },
};

/** Whether the rules have the shape that Prometheus wants; the problems are noted. */
function checkFile(file: Node, place: Place): boolean {
  let sound = true;
  const watched = watch(place, () => {
    sound = false;
  });
  const hint = misplaced(file);
  if (hint !== undefined) watched.say(hint, file);
  else checkGroups(file, watched);
  return sound;
}

/** A place that tells of each problem noted in it. */
function watch(place: Place, onProblem: () => void): Place {
  return {
    path: place.path,
    say(words, node, value) {
      onProblem();
      place.say(words, node, value);
    },
    at: (step) => watch(place.at(step), onProblem),
  };
}

/** Things that are given for rules and are something else. */
function misplaced(file: Node): string | undefined {
  if (file.kind === 'scalar' && /^\S+\.ya?ml$/.test(file.text))
    return 'must be the text of the rules, not the name of a file: use --plan-param rules="$(cat rules.yml)".';
  if (file.kind === 'list') return 'must be a map with groups: put "groups:" above the list.';
  if (file.kind === 'map' && file.entries.some(([key]) => key === 'apiVersion' || key === 'kind'))
    return 'is a Kubernetes object: give what is below its spec, which starts with "groups:".';
  if (file.kind === 'map' && !file.entries.some(([key]) => key === 'groups'))
    return 'has no groups: it must be a rule file of Prometheus, which starts with "groups:".';
  return undefined;
}

function checkGroups(file: Node, place: Place): void {
  const groups = readFields(file, place, ['groups'])?.groups;
  const items = itemsOf(groups, place.at('.groups'));
  const names = new Map<string, number>();
  for (const [index, group] of items.entries()) {
    const name = checkGroup(group, place.at(`.groups[${index}]`));
    if (name === undefined) continue;
    if (names.has(name))
      place.at(`.groups[${index}]`).say(`has the name ${shown(name)} again: each group needs its own.`, group);
    names.set(name, index);
  }
}

function checkGroup(group: Node, place: Place): string | undefined {
  const fields = readFields(group, place, GROUP_FIELDS);
  if (fields === undefined) return undefined;
  checkDuration(fields.interval, place.at('.interval'));
  checkDuration(fields.query_offset, place.at('.query_offset'));
  if (fields.limit !== undefined && !/^\d{1,15}$/.test(readText(fields.limit, place.at('.limit'), 'a number') ?? '0'))
    place.at('.limit').say('must be a whole number.', fields.limit);
  checkTexts(fields.labels, place.at('.labels'));
  const items = itemsOf(fields.rules, place.at('.rules'));
  for (const [index, rule] of items.entries()) checkRule(rule, place.at(`.rules[${index}]`));
  if (fields.name === undefined) {
    place.say('has no name.', group);
    return undefined;
  }
  const name = readText(fields.name, place.at('.name'), 'a name');
  if (name === '') place.at('.name').say('is empty.', fields.name);
  return name;
}

function checkRule(rule: Node, place: Place): void {
  const fields = readFields(rule, place, RULE_FIELDS);
  if (fields === undefined) return;
  if (fields.record === undefined && fields.alert === undefined) place.say('has neither record nor alert.', rule);
  if (fields.record !== undefined && fields.alert !== undefined)
    place.say('has both record and alert: make two rules of it.', rule);
  if (fields.expr === undefined) place.say('has no expr.', rule);
  for (const key of ['record', 'alert', 'expr'] as const) {
    const node = fields[key];
    if (node === undefined) continue;
    if (readText(node, place.at(`.${key}`), 'a text')?.trim() === '') place.at(`.${key}`).say('is empty.', node);
  }
  for (const key of ALERT_FIELDS) {
    if (fields[key] !== undefined && fields.record !== undefined && fields.alert === undefined)
      place.say(`has ${key}, which only an alert can have.`, fields[key]);
  }
  checkDuration(fields.for, place.at('.for'));
  checkDuration(fields.keep_firing_for, place.at('.keep_firing_for'));
  checkTexts(fields.labels, place.at('.labels'));
  checkTexts(fields.annotations, place.at('.annotations'));
}

/** To Prometheus, a list with nothing behind its colon is empty. */
function itemsOf(node: Node | undefined, place: Place): readonly Node[] {
  if (node === undefined || (node.kind === 'scalar' && node.type === 'null')) return [];
  return readItems(node, place, 'a list') ?? [];
}

function checkDuration(node: Node | undefined, place: Place): void {
  if (node === undefined) return;
  const text = readText(node, place, 'a duration such as 5m');
  if (text !== undefined && parseDuration(text) === undefined)
    place.say('is no duration: it must be like 30s or 5m.', node, text);
}

function checkTexts(node: Node | undefined, place: Place): void {
  if (node === undefined || (node.kind === 'scalar' && node.type === 'null')) return;
  for (const [key, value] of readEntries(node, place, 'a map') ?? []) {
    if (value.kind !== 'scalar')
      place.at(`.${shown(key)}`).say(`cannot be ${kindOf(value)}: it must be a text.`, value);
  }
}
