/* Keys for those who switched them on (the page says so): they press and focus what is there already, and do nothing of their own. */
(function () {
  "use strict";
  var place = document.querySelector("[data-keys]");
  if (!place) return;

  var links = Array.prototype.slice.call(document.querySelectorAll(".queue tbody th a"));
  var here = function () {
    var row = document.activeElement && document.activeElement.closest(".queue tbody tr");
    return row ? links.indexOf(row.querySelector("th a")) : -1;
  };
  // One goes on from the row that was claimed just now, where it is there still.
  var claimed = decodeURIComponent((/[?&]claimed=([^&]*)/.exec(location.search) || ["", ""])[1]);
  var from = function (step) {
    var at = links.map(function (link) { return link.textContent; }).indexOf(claimed);
    return at < 0 && step < 0 ? links.length : at;
  };
  var go = function (step) {
    var at = here();
    var next = links[(at < 0 ? from(step) : at) + step];
    if (next) { next.focus(); next.scrollIntoView({ block: "nearest" }); }
  };
  var press = function (button) { if (button) button.click(); };
  var write = function (box) {
    var area = document.getElementById(box + "-text"), link = links[here()];
    if (area) area.focus();
    else if (link) location.href = link.href + "#" + box + "-text";
  };
  var acts = {
    j: function () { go(1); },
    k: function () { go(-1); },
    o: function () { press(links[here()]); },
    c: function () {
      var link = links[here()];
      press(link ? link.closest("tr").querySelector("form.action button") : document.querySelector("button[formaction$='/claim']"));
    },
    n: function () { write("note"); },
    a: function () { write("answer"); },
    "/": function () {
      var search = document.getElementById("q");
      if (!search) { location.href = place.dataset.list + "#q"; return; }
      var fold = search.closest("details");
      if (fold) fold.open = true;
      search.focus();
    },
    "?": function () { location.href = place.dataset.help; }
  };

  document.addEventListener("keydown", function (event) {
    var target = event.target;
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.repeat && event.key !== "j" && event.key !== "k") return;
    if (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && target.type !== "checkbox") return;
    if (!Object.prototype.hasOwnProperty.call(acts, event.key)) return;
    event.preventDefault();
    acts[event.key]();
  });
})();
