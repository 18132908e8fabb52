/* What a browser can tell about the page it shows; `test_scenes.py` asks. Each function gives back a list of faults in words. */
window.look = (() => {
  "use strict";
  const all = (selector) => [...document.querySelectorAll(selector)];
  const isShown = (e) => e.type !== "hidden" && !e.closest(".trap, [hidden]") && e.checkVisibility({ visibilityProperty: true });
  const name = (e) => e.outerHTML.slice(0, 140);
  const size = (box) => `${Math.round(box.width)} x ${Math.round(box.height)}`;
  const BOXES = "[type=checkbox], [type=radio], [type=hidden]";

  /* Controls too small to hit (WCAG 2.2, 2.5.8), but for links within a text; a box counts with its row. */
  const small = (least) => all("a, button, input, select, textarea, summary")
    .filter((e) => isShown(e) && !e.closest(".skip") && !(e.localName === "a" && getComputedStyle(e).display === "inline"))
    .map((e) => [e, (e.closest(".option, .door") || e).getBoundingClientRect()])
    .filter(([, box]) => box.width && (box.height < least - 0.5 || box.width < least - 0.5))
    .map(([e, box]) => `${name(e)} is ${size(box)}`);

  /* What the public presses and fills in is higher than that. */
  const low = (least) => all(`main :is(.button, button, select, textarea, .option, input:not(${BOXES}))`)
    .filter((e) => isShown(e) && e.getBoundingClientRect().height < least - 0.5)
    .map((e) => `${name(e)} is ${size(e.getBoundingClientRect())}`);

  /* Whatever takes the focus shows it (2.4.7), and nothing lies over it (2.4.11). A key must have been pressed before. */
  const unseen = () => all("a[href], button, input, select, textarea, summary, [tabindex='0']").flatMap((e) => {
    if (!isShown(e) || e.tabIndex < 0) return [];
    e.focus();
    if (document.activeElement !== e) return [];
    const has = (x) => {
      const style = x && getComputedStyle(x);
      return x && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    };
    if (!has(e) && !has(e.closest(".door, .option"))) return [`${name(e)} shows no ring`];
    const box = e.getClientRects()[0];
    const at = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    const isClear = !at || e.contains(at) || at.contains(e) || [...(e.labels || [])].some((label) => label.contains(at));
    return isClear ? [] : [`${name(e)} is covered`];
  });

  /* With the reader's own colours backgrounds are gone: a control, a tag, a box needs an edge. */
  const edgeless = () => all(`.button, button, select, textarea, input:not(${BOXES}), .tag, .notice, .errors`)
    .filter((e) => isShown(e) && !e.closest(".button-link"))
    .filter((e) => {
      const style = getComputedStyle(e);
      return !["Top", "Left"].some((side) => style[`border${side}Style`] !== "none" && parseFloat(style[`border${side}Width`]) >= 1);
    })
    .map((e) => `${name(e)} has no edge`);

  /* What no form holds is never sent, however it is filled in. */
  const formless = () => all(`button, select, textarea, input`)
    .filter((e) => e.name && !e.form)
    .map((e) => `${name(e)} belongs to no form`);

  /* For a reader who wants none, nothing moves. */
  const moving = () => all("*").filter((e) => {
    const style = getComputedStyle(e);
    return style.scrollBehavior === "smooth" || parseFloat(style.transitionDuration) > 0 || parseFloat(style.animationDuration) > 0;
  }).map((e) => `${name(e)} moves`);

  const sideways = () => {
    const wider = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const cut = all("td .tag, th .tag").filter((e) => isShown(e)
      && e.getBoundingClientRect().right > e.closest("td, th").getBoundingClientRect().right + 1);
    return [...(wider > 0 ? [`scrolls sideways by ${wider} px`] : []), ...cut.map((e) => `${name(e)} is cut off`)];
  };

  /* The spacing that a reader may set (1.4.12). */
  const space = () => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(
      "* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }" +
      "p { margin-bottom: 2em !important }");
    document.adoptedStyleSheets = [sheet];
    return sideways();
  };

  const violations = async (options) => (await axe.run(document, { ...options, resultTypes: ["violations"], preload: false }))
    .violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 160)} ${node.failureSummary}`));

  return { small, low, unseen, edgeless, formless, moving, sideways, space, violations };
})();
