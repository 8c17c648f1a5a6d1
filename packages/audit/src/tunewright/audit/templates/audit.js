(function () {
  var search = document.getElementById("search");
  var boxes = Array.prototype.slice.call(document.querySelectorAll("input[data-severity]"));
  var findings = Array.prototype.slice.call(document.querySelectorAll("[data-text]"));
  var none = document.getElementById("none");
  function update() {
    var words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    var shown = {};
    boxes.forEach(function (box) { shown[box.dataset.severity] = box.checked; });
    var left = 0;
    findings.forEach(function (finding) {
      var text = finding.textContent.toLowerCase();
      var hit = shown[finding.dataset.severity] && words.every(function (word) { return text.indexOf(word) >= 0; });
      finding.hidden = !hit;
      if (hit) { left += 1; }
    });
    none.hidden = left > 0;
  }
  search.addEventListener("input", update);
  boxes.forEach(function (box) { box.addEventListener("change", update); });
  document.getElementById("controls").hidden = false;
  update();
})();
