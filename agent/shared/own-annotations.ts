/** The service's plan in force, on an instance's app. */
export const PLAN_ANNOTATION = 'prometheus-service/plan';
/** Whose an instance's app is, as in its tag, which its team may replace. */
export const OWNER_ANNOTATION = 'prometheus-service/instance';
/** What the tag of an instance's parts begins with, before `SERVICE/INSTANCE`. */
export const TAG = 'prometheus-instance=';

/** The service and the instance that a tag names; undefined when it is none. Which names Tsuru takes is not looked at. */
export function namesInTag(tag: string): { readonly service: string; readonly instance: string } | undefined {
  const slash = tag.lastIndexOf('/');
  if (!tag.startsWith(TAG) || slash <= TAG.length || slash === tag.length - 1) return undefined;
  return { service: tag.slice(TAG.length, slash), instance: tag.slice(slash + 1) };
}
