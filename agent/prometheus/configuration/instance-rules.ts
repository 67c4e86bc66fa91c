import { dump, load } from 'js-yaml';
import { INSTANCE_LABEL } from '../../shared/settings/labels.ts';
import { asArray, asObject } from '../../shared/shape.ts';

/**
 * The alerts about the instance itself, each with the label `tsuru_instance`; without a name they stay as they are.
 * @throws {ShapeError} or js-yaml's exception, whose messages say what is wrong with the file.
 */
export function renderInstanceRules(text: string, instance: string | undefined): string {
  if (instance === undefined) return text;
  const file = asObject(load(text), 'the rules of the instance');
  const groups = asArray(file['groups'], 'groups').map((value, index) => {
    const group = asObject(value, `groups[${index}]`);
    const rules = asArray(group['rules'], `groups[${index}].rules`).map((rule) => {
      const { labels, ...rest } = asObject(rule, 'a rule');
      return { ...rest, labels: { ...asObject(labels ?? {}, 'labels'), [INSTANCE_LABEL]: instance } };
    });
    return { ...group, rules };
  });
  return dump({ ...file, groups }, { lineWidth: -1, noRefs: true });
}
