// Keys while the log has the focus. Others, and those with Ctrl, Alt or Meta, are the browser's.

/** The log's keys call methods of `view` (see logview.js). */
export function setUpKeys(box, view) {
  const { tools } = view;
  const keys = {
    Home: () => view.goTo({ offset: 0 }),
    End: () => view.follow(true),
    "/": () => view.search.open(),
    n: () => view.search.go(true),
    N: () => view.search.go(false),
    f: () => view.follow(!view.following),
    w: () => tools.wrap(!view.wrapped),
    t: () => tools.showTimes(!view.times.on),
    m: () => tools.fold(!view.folded),
    g: () => tools.askWhere(),
    Escape: () => view.mark(null),
  };
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== box) return;
    const action = keys[event.key];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  });
}
